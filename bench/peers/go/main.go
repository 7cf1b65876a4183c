// Go on one OS thread (GOMAXPROCS=1, set by run.py): yield, spawn + join, parked goroutines, and an echo server.
// usage: go-peer yield2|yield1000|spawn|memory|chan-…|select8…|mutex|sem|pread|sleepers COUNT, go-peer timer-cancel COUNT ARMED,
// or go-peer echo
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func report(start time.Time, operations int) {
	fmt.Printf("ns_per_op %.3f\n", float64(time.Since(start).Nanoseconds())/float64(operations))
}

func memory() (rss, pte int64) {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		panic(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		value, _ := strconv.ParseInt(words[1], 10, 64)
		switch words[0] {
		case "VmRSS:":
			rss = value * 1024
		case "VmPTE:":
			pte = value * 1024
		}
	}
	return
}

func yields(tasks, operations int) {
	for _, rounds := range []int{operations/tasks/20 + 1, operations / tasks} {
		var group sync.WaitGroup
		group.Add(tasks)
		start := time.Now()
		for task := 0; task < tasks; task++ {
			go func() {
				for left := rounds; left > 0; left-- {
					runtime.Gosched()
				}
				group.Done()
			}()
		}
		group.Wait()
		if rounds == operations/tasks {
			report(start, rounds*tasks)
		}
	}
}

func spawns(operations int) {
	for _, rounds := range []int{operations/20 + 1, operations} {
		done := make(chan struct{})
		start := time.Now()
		for index := 0; index < rounds; index++ {
			go func() { done <- struct{}{} }()
			<-done
		}
		if rounds == operations {
			report(start, rounds)
		}
	}
}

//go:noinline
func useFrames() (sum int) {
	var bytes [1024]byte
	for index := range bytes {
		bytes[index] = byte(index)
	}
	for _, value := range bytes {
		sum += int(value)
	}
	return
}

func parked(count int) {
	rss, pte := memory()
	var group sync.WaitGroup
	group.Add(count)
	for index := 0; index < count; index++ {
		go func() {
			useFrames()
			group.Done()
			time.Sleep(time.Hour)
		}()
	}
	group.Wait()
	time.Sleep(200 * time.Millisecond)
	rssNow, pteNow := memory()
	fmt.Printf("count %d\n", count)
	fmt.Printf("rss_per_task %.1f\n", float64(rssNow-rss)/float64(count))
	fmt.Printf("pte_per_task %.1f\n", float64(pteNow-pte)/float64(count))
	os.Exit(0)
}

var worked uint64

// What a request of the workers rows costs to answer, as bench_work in c/bench.h.
//
//go:noinline
func work(rounds int) {
	state := uint64(1)
	for ; rounds > 0; rounds-- {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
	}
	atomic.StoreUint64(&worked, state)
}

func echo(rounds int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("port %d\n", listener.Addr().(*net.TCPAddr).Port)
	for {
		peer, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go func() {
			defer peer.Close()
			buffer := make([]byte, 4096)
			for {
				length, err := peer.Read(buffer)
				if err != nil {
					return
				}
				work(rounds)
				if _, err := peer.Write(buffer[:length]); err != nil {
					return
				}
			}
		}()
	}
}

func main() {
	// The last is the number of armed timers, or the rounds of work for each request.
	row, count, extra := os.Args[1], 0, 0
	if len(os.Args) > 2 {
		count, _ = strconv.Atoi(os.Args[2])
	}
	if len(os.Args) > 3 {
		extra, _ = strconv.Atoi(os.Args[3])
	}
	switch row {
	case "yield2":
		yields(2, count)
	case "yield1000":
		yields(1000, count)
	case "spawn":
		spawns(count)
	case "memory":
		parked(count)
	case "chan-round":
		measured(count, chanRound)
	case "chan-item", "chan-shared", "chan-cross":
		measured(count, chanItems)
	case "select8":
		measured(count, func(count int) uint64 { return select8(count, armRoom) })
	case "select8-wait":
		measured(count, func(count int) uint64 { return select8(count, 0) })
	case "mutex":
		measured(count, mutex)
	case "pread":
		measured(count, pread)
	case "sem":
		measured(count, semaphore)
	case "sleepers":
		sleepers(count)
	case "timer-cancel":
		timerCancel(count, extra)
	case "echo":
		echo(extra)
	default:
		panic("unknown row " + row)
	}
}
