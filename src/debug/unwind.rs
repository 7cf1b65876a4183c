//! Native backtraces from saved registers: call frame information of the loaded objects, read by gimli.
//!
//! A parked task is a set of callee-saved registers on its own stack, which no unwinder of the C library can start from.
//! So this one takes registers and a view of a stack, and follows `.eh_frame`, which every object compiled for x86-64 has,
//! with or without frame pointers. It reads nothing of the stack outside the view, so it can walk a copy.
//!
//! Other processors: no frames are found (docs/decisions/0025-backtraces.md).

use std::ffi::c_void;

use gimli::{BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EvaluationResult, Location, NativeEndian, Register};
use gimli::{EndianSlice, Evaluation, EvaluationStorage, Piece, RegisterRule, UnwindContext, UnwindContextStorage};
use gimli::{UnwindExpression, UnwindSection, UnwindTableRow, Value};

use crate::context::{annotate, Saved};

type Reader = EndianSlice<'static, NativeEndian>;

/// DWARF's numbers (System V psABI for AMD64, figure 3.36): 0..=15 registers, 16 the return address.
const REGISTERS: usize = 17;
const RBX: usize = 3;
const RBP: usize = 6;
const SP: usize = 7;
const R12: usize = 12;
const IP: usize = 16;
/// Frames that a walk ends after.
pub const FRAMES: usize = 64;

/// Where execution stands in one frame.
#[derive(Clone, Copy)]
pub struct Registers {
    value: [u64; REGISTERS],
    /// The address is a return address: the call lies before it.
    after_call: bool,
}

/// A piece of stack: `len` readable bytes at `at`, which stand for those at `address`.
#[derive(Clone, Copy)]
pub struct View {
    /// The address that the bytes have, or had, on the stack.
    pub address: usize,
    /// Where they are now.
    pub at: *const u8,
    /// How many.
    pub len: usize,
}

impl View {
    /// The stack itself, from one address up to another.
    pub fn of(low: usize, high: usize) -> View {
        View { address: low, at: low as *const u8, len: high.saturating_sub(low) }
    }

    fn word(&self, address: u64) -> Option<u64> {
        let offset = (address as usize).checked_sub(self.address)?;
        if offset.checked_add(8)? > self.len {
            return None;
        }
        // SAFETY: by the maker of the view, its bytes are readable, and the word lies in them.
        Some(unsafe { self.at.add(offset).cast::<u64>().read_unaligned() })
    }
}

/// One frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Where execution stands, or will go on.
    pub ip: usize,
    /// Whether that is a return address.
    pub after_call: bool,
}

impl Registers {
    /// The registers that a context saved; None where the layout is not known, or nothing is saved.
    ///
    /// # Safety
    /// 0, or the context of a task that does not run.
    pub unsafe fn of_saved(context: Saved) -> Option<Registers> {
        if !cfg!(all(target_arch = "x86_64", target_os = "linux")) || context == 0 {
            return None;
        }
        // The drawing in src/context/mod.rs: x87 and mxcsr, r12 to r15, rbx, rbp, rip.
        // SAFETY: a saved context is eight words on its task's stack.
        let word = |i: usize| unsafe { (context as *const u64).add(i).read() };
        let mut value = [0; REGISTERS];
        (0..4).for_each(|i| value[R12 + i] = word(1 + i));
        value[RBX] = word(5);
        value[RBP] = word(6);
        value[IP] = word(7);
        value[SP] = context as u64 + 64;
        Some(Registers { value, after_call: true })
    }

    /// The caller's own registers. What is found from them holds while the function that calls this has not returned.
    #[inline(always)]
    pub fn here() -> Option<Registers> {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        {
            let mut w = [0u64; 8];
            // SAFETY: writes the eight words of the array.
            unsafe {
                std::arch::asm!(
                    "lea {t}, [rip + 2f]", "2:", "mov [{p}], {t}", "mov [{p} + 8], rsp", "mov [{p} + 16], rbp",
                    "mov [{p} + 24], rbx", "mov [{p} + 32], r12", "mov [{p} + 40], r13", "mov [{p} + 48], r14",
                    "mov [{p} + 56], r15",
                    p = in(reg) w.as_mut_ptr(), t = out(reg) _, options(nostack, preserves_flags),
                );
            }
            let mut value = [0; REGISTERS];
            (value[IP], value[SP], value[RBP], value[RBX]) = (w[0], w[1], w[2], w[3]);
            value[R12..R12 + 4].copy_from_slice(&w[4..8]);
            Some(Registers { value, after_call: false })
        }
        #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
        None
    }

    /// The registers of a thread that a signal interrupted.
    ///
    /// # Safety
    /// The third argument of an SA_SIGINFO handler.
    pub unsafe fn of_signal(context: *const c_void) -> Option<Registers> {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        {
            use libc::*;
            // SAFETY: by the caller.
            let general = unsafe { &(*context.cast::<ucontext_t>()).uc_mcontext.gregs };
            let order = [
                REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8, REG_R9, REG_R10,
                REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
            ];
            let mut value = [0; REGISTERS];
            order.iter().enumerate().for_each(|(i, &r)| value[i] = general[r as usize] as u64);
            Some(Registers { value, after_call: false })
        }
        #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
        {
            let _ = context;
            None
        }
    }

    /// The stack pointer.
    pub fn sp(&self) -> usize {
        self.value[SP] as usize
    }

    fn frame(&self) -> Frame {
        Frame { ip: self.value[IP] as usize, after_call: self.after_call }
    }
}

/// The room that gimli works in: its own would come from the heap, and abort when there is no memory. Frames of compilers use
/// a handful of registers, one or two rows that are remembered, and expressions of a few steps.
struct InPlace;

impl UnwindContextStorage<usize> for InPlace {
    type Rules = [(Register, RegisterRule<usize>); 64];
    type Stack = [UnwindTableRow<usize, InPlace>; 4];
}

impl EvaluationStorage<Reader> for InPlace {
    type Stack = [Value; 32];
    type ExpressionStack = [(Reader, Reader); 4];
    type Result = [Piece<Reader>; 4];
}

/// What one walk after another uses again. Some KiB: not for a task's stack.
pub struct Walker {
    context: UnwindContext<usize, InPlace>,
}

impl Default for Walker {
    fn default() -> Walker {
        Walker { context: UnwindContext::new_in() }
    }
}

impl Walker {
    /// Walks from `from` outward; stores at most `frames.len()` frames and returns how many.
    pub fn walk(&mut self, from: Registers, view: View, frames: &mut [Frame]) -> usize {
        annotate::unjudged(|| self.walk_from(from, view, frames))
    }

    fn walk_from(&mut self, from: Registers, view: View, frames: &mut [Frame]) -> usize {
        let mut at = from;
        for (count, place) in frames.iter_mut().enumerate() {
            *place = at.frame();
            match self.outward(&at, view) {
                // A frame lies above the one it called; anything else is nonsense, or the end.
                Some(next) if next.value[IP] > 1 && next.value[SP] > at.value[SP] => at = next,
                _ => return count + 1,
            }
        }
        frames.len()
    }

    /// One frame outward. The loader's lock is held while its object is read: none is unmapped under us.
    fn outward(&mut self, at: &Registers, view: View) -> Option<Registers> {
        let mut search = Search { at, view, walker: self, found: None };
        // SAFETY: the callback has the shape dl_iterate_phdr(3) asks for, and gets the search back.
        unsafe { libc::dl_iterate_phdr(Some(in_object), (&raw mut search).cast()) };
        search.found
    }

    fn by_table(&mut self, at: &Registers, view: View, header: (u64, Reader), end: u64) -> Option<Registers> {
        let pc = at.value[IP] - at.after_call as u64;
        let bases = BaseAddresses::default().set_eh_frame_hdr(header.0);
        let parsed = EhFrameHdr::from(header.1).parse(&bases, 8).ok()?;
        let gimli::Pointer::Direct(start) = parsed.eh_frame_ptr() else { return None };
        let len = end.checked_sub(start)? as usize;
        // SAFETY: from where the header points to, to the end of the segment that it lies in: loaded, and read-only.
        let bytes = unsafe { std::slice::from_raw_parts(start as *const u8, len) };
        let section = EhFrame::from(EndianSlice::new(bytes, NativeEndian));
        let bases = bases.set_eh_frame(start);
        let table = parsed.table()?;
        let fde = table.fde_for_address(&section, &bases, pc, EhFrame::cie_from_offset).ok()?;
        let row = fde.unwind_info_for_address(&section, &bases, &mut self.context, pc).ok()?;
        let expression = |e: &UnwindExpression<usize>, cfa| evaluate(e.get(&section).ok()?, at, view, cfa);
        let cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                at.value.get(register.0 as usize)?.wrapping_add_signed(*offset)
            }
            CfaRule::Expression(e) => expression(e, None)?,
        };
        let mut next = Registers { value: at.value, after_call: !fde.is_signal_trampoline() };
        next.value[SP] = cfa;
        for i in 0..REGISTERS {
            let rule = row.register(Register(i as u16));
            next.value[i] = match rule {
                // Not mentioned: kept, if it is one that calls keep; no return address: the outermost frame.
                RegisterRule::Undefined if i == IP => return None,
                RegisterRule::Undefined | RegisterRule::SameValue => continue,
                RegisterRule::Offset(n) => view.word(cfa.wrapping_add_signed(n))?,
                RegisterRule::ValOffset(n) => cfa.wrapping_add_signed(n),
                RegisterRule::Register(r) => *at.value.get(r.0 as usize)?,
                RegisterRule::Expression(e) => view.word(expression(&e, Some(cfa))?)?,
                RegisterRule::ValExpression(e) => expression(&e, Some(cfa))?,
                _ => return None,
            };
        }
        Some(next)
    }
}

/// A DWARF expression (DWARF 5, 2.5), as far as unwinding needs one.
fn evaluate(e: gimli::Expression<Reader>, at: &Registers, view: View, cfa: Option<u64>) -> Option<u64> {
    let encoding = gimli::Encoding { format: gimli::Format::Dwarf32, version: 5, address_size: 8 };
    let mut run = Evaluation::<Reader, InPlace>::new_in(e.0, encoding);
    if let Some(cfa) = cfa {
        run.set_initial_value(cfa);
    }
    let mut state = run.evaluate().ok()?;
    loop {
        state = match state {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresMemory { address, size: 8, .. } => {
                run.resume_with_memory(Value::Generic(view.word(address)?)).ok()?
            }
            EvaluationResult::RequiresRegister { register, .. } => {
                run.resume_with_register(Value::Generic(*at.value.get(register.0 as usize)?)).ok()?
            }
            _ => return None,
        };
    }
    match run.as_result().first()?.location {
        Location::Address { address } => Some(address),
        Location::Value { value: Value::Generic(n) } => Some(n),
        _ => None,
    }
}

struct Search<'a> {
    at: &'a Registers,
    view: View,
    walker: &'a mut Walker,
    found: Option<Registers>,
}

unsafe extern "C" fn in_object(info: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> libc::c_int {
    // SAFETY: `outward` hands its own search over; the loader a valid description.
    let (search, info) = unsafe { (&mut *search.cast::<Search>(), &*info) };
    if info.dlpi_phnum == 0 || info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the loader says how many headers there are.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum as usize) };
    let begin = |h: &libc::Elf64_Phdr| info.dlpi_addr.wrapping_add(h.p_vaddr);
    let holds =
        |h: &&libc::Elf64_Phdr, address: u64| h.p_type == libc::PT_LOAD && address.wrapping_sub(begin(h)) < h.p_memsz;
    let pc = search.at.value[IP] - search.at.after_call as u64;
    if !headers.iter().any(|h| holds(&h, pc)) {
        return 0;
    }
    if let Some(h) = headers.iter().find(|h| h.p_type == libc::PT_GNU_EH_FRAME) {
        let start = begin(h);
        // SAFETY: the loader has mapped the table where its header says.
        let bytes = unsafe { std::slice::from_raw_parts(start as *const u8, h.p_memsz as usize) };
        if let Some(segment) = headers.iter().find(|h| holds(h, start)) {
            let end = begin(segment) + segment.p_filesz;
            let reader = EndianSlice::new(bytes, NativeEndian);
            search.found = search.walker.by_table(search.at, search.view, (start, reader), end);
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of its own: it is large, and the view is not.
    #[inline(never)]
    fn walked() -> usize {
        let here = Registers::here().expect("this test is for x86-64");
        let top = here.sp() + 64 * 1024;
        let mut frames = [Frame { ip: 0, after_call: false }; FRAMES];
        Walker::default().walk(here, View::of(here.sp(), top), &mut frames)
    }

    #[inline(never)]
    fn deeper(n: usize) -> usize {
        match n {
            0 => walked(),
            _ => std::hint::black_box(deeper(n - 1)) + 1, // not made a loop
        }
    }

    #[test]
    fn a_walk_counts_the_calls() {
        let (few, many) = (deeper(2), deeper(12) - 12 + 2);
        assert!(few > 4, "{few}");
        assert!(many > few, "{few} {many}");
    }

    #[test]
    fn a_walk_ends_where_the_view_ends() {
        let here = Registers::here().expect("this test is for x86-64");
        let mut frames = [Frame { ip: 0, after_call: false }; FRAMES];
        assert_eq!(Walker::default().walk(here, View::of(here.sp(), here.sp()), &mut frames), 1);
    }
}
