package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// Channels, locks, select and timers. Every item is a number, 0 to count-1, and the receiver adds them up.

const (
	room    = 128
	arms    = 8
	armRoom = 16
	sleeps  = 10
	longest = 1000000000
)

// Runs one pass to warm up and one that counts; a pass returns its sum.
func measured(operations int, pass func(count int) uint64) {
	pass(operations/20 + 1)
	start := time.Now()
	sum := pass(operations)
	report(start, operations)
	fmt.Printf("sum %d\n", sum)
}

func chanRound(count int) (sum uint64) {
	there, back := make(chan uint64), make(chan uint64)
	go func() {
		for left := count; left > 0; left-- {
			back <- <-there
		}
	}()
	for index := 0; index < count; index++ {
		there <- uint64(index)
		sum += <-back
	}
	return
}

func chanItems(count int) (sum uint64) {
	items := make(chan uint64, room)
	go func() {
		for index := 0; index < count; index++ {
			items <- uint64(index)
		}
	}()
	for left := count; left > 0; left-- {
		sum += <-items
	}
	return
}

func select8(count, room int) (sum uint64) {
	var many [arms]chan uint64
	for index := range many {
		many[index] = make(chan uint64, room)
	}
	go func() {
		for index := 0; index < count; index++ {
			many[index%arms] <- uint64(index)
		}
	}()
	for left := count; left > 0; left-- {
		var item uint64
		select {
		case item = <-many[0]:
		case item = <-many[1]:
		case item = <-many[2]:
		case item = <-many[3]:
		case item = <-many[4]:
		case item = <-many[5]:
		case item = <-many[6]:
		case item = <-many[7]:
		}
		sum += item
	}
	return
}

var held uint64

func mutex(count int) uint64 {
	var lock sync.Mutex
	held = 0
	for left := count; left > 0; left-- {
		lock.Lock()
		held++
		lock.Unlock()
	}
	return held
}

// A channel with room for one is how Go programs write a semaphore.
func semaphore(count int) uint64 {
	permits := make(chan struct{}, 1)
	held = 0
	for left := count; left > 0; left-- {
		permits <- struct{}{}
		held++
		<-permits
	}
	return held
}

// As bench_sleep_ns in c/bench.h.
func sleepFor(task, turn uint64) time.Duration {
	mixed := (task*sleeps + turn + 1) * 0x9e3779b97f4a7c15
	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb
	return time.Duration((mixed ^ (mixed >> 31)) % longest)
}

// As bench_file in c/bench.h, and reads of its pages.
func pread(count int) (sum uint64) {
	const pages, page = 256, 4096
	file, err := os.CreateTemp("", "greenrt-bench-")
	if err != nil {
		panic(err)
	}
	defer file.Close()
	os.Remove(file.Name())
	var bytes [page]byte
	for number := 0; number < pages; number++ {
		binary.LittleEndian.PutUint64(bytes[:], uint64(number))
		if _, err := file.Write(bytes[:]); err != nil {
			panic(err)
		}
	}
	for index := 0; index < count; index++ {
		if _, err := file.ReadAt(bytes[:], int64(index%pages*page)); err != nil {
			panic(err)
		}
		sum += uint64(index-index%pages) + binary.LittleEndian.Uint64(bytes[:])
	}
	return
}

func sleepers(tasks int) {
	var group sync.WaitGroup
	group.Add(tasks)
	start := time.Now()
	for task := 0; task < tasks; task++ {
		go func(task uint64) {
			for turn := uint64(0); turn < sleeps; turn++ {
				time.Sleep(sleepFor(task, turn))
			}
			group.Done()
		}(uint64(task))
	}
	group.Wait()
	wall := time.Since(start)
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	var all, most time.Duration
	for task := 0; task < tasks; task++ {
		var total time.Duration
		for turn := uint64(0); turn < sleeps; turn++ {
			total += sleepFor(uint64(task), turn)
		}
		all += total
		if total > most {
			most = total
		}
	}
	fmt.Printf("cpu_s %.3f\n", float64(used.Utime.Nano()+used.Stime.Nano())/1e9)
	fmt.Printf("overrun_s %.3f\nslept_s %.0f\n", (wall - most).Seconds(), all.Seconds())
	os.Exit(0)
}

func timerCancel(operations, armed int) {
	never := func() {}
	for index := 0; index < armed; index++ {
		time.AfterFunc(time.Hour+1000*sleepFor(uint64(index), 0), never)
	}
	measured(operations, func(count int) uint64 {
		for index := 0; index < count; index++ {
			timer := time.AfterFunc(time.Hour/2+sleepFor(uint64(index), 1), never)
			timer.Stop()
		}
		return uint64(count)
	})
	os.Exit(0)
}
