//! The models, and how they are run.

mod objects;
mod requests;
mod seats;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::faults::{self, Fault, Fences};
use crate::{home, sched};

/// A model: its name, how many preemptions are tried, and one execution of it.
pub struct Model {
    name: &'static str,
    preemptions: usize,
    body: fn(),
}

/// Faults that no model can notice, each with its reason: "file:line text of the line" would go stale, so the function says it.
const HARMLESS: &[(&str, &str, &str)] = &[];

fn all() -> Vec<&'static Model> {
    [requests::MODELS, objects::MODELS, seats::MODELS].into_iter().flatten().collect()
}

/// Runs a model through all its executions; panics when one goes wrong.
fn explore(model: &Model) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(model.preemptions);
    builder.max_branches = 20_000;
    let body = model.body;
    builder.check(move || {
        body();
        sched::forget_all();
        home::forget_all();
    });
}

fn wanted(names: &[String]) -> Vec<&'static Model> {
    let all = all().into_iter();
    all.filter(|m| names.is_empty() || names.iter().any(|n| m.name.contains(n.as_str()))).collect()
}

/// The program.
pub fn run(mut args: Vec<String>) -> ExitCode {
    let first = args.first().cloned().unwrap_or_default();
    match first.as_str() {
        "--one" => {
            // A child: one model, perhaps with a fault.
            if args.get(2).is_some_and(|place| place == "after") {
                faults::set_fences(Fences::After);
            }
            if let Some(fault) = args.get(3).and_then(|text| Fault::parse(text)) {
                faults::seed(fault);
            }
            let model = all().into_iter().find(|m| Some(m.name) == args.get(1).map(String::as_str));
            explore(model.expect("a model of that name"));
            faults::met().iter().for_each(|fault| println!("met {fault}"));
            ExitCode::SUCCESS
        }
        "--list" => {
            all().iter().for_each(|m| println!("{}", m.name));
            ExitCode::SUCCESS
        }
        "--faults" => {
            args.remove(0);
            seeded(&wanted(&args))
        }
        _ => models(&wanted(&args)),
    }
}

const BOTH: [Fences; 2] = [Fences::Before, Fences::After];

/// How a child ended.
struct End {
    well: bool,
    late: bool,
    out: String,
    took: Duration,
}

fn child(model: &Model, fences: Fences, fault: Option<&Fault>, limit: Duration) -> End {
    let began = Instant::now();
    let me = std::env::current_exe().expect("a program has a path");
    let mut command = Command::new(me);
    command.arg("--one").arg(model.name).arg(if fences == Fences::After { "after" } else { "before" }).args(fault.map(|f| f.to_string()));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a process can be started");
    let (mut out, mut err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = std::io::Read::read_to_string(&mut out, &mut text);
        text
    });
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = std::io::Read::read_to_string(&mut err, &mut text);
        text
    });
    let (mut status, mut late) = (None, false);
    while status.is_none() {
        status = child.try_wait().expect("it is our child");
        late = began.elapsed() > limit;
        if late && status.is_none() {
            let _ = child.kill();
            status = child.wait().ok();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let out = reader.join().unwrap_or_default() + &errors.join().unwrap_or_default();
    End { well: status.is_some_and(|s| s.success()), late, out, took: began.elapsed() }
}

fn models(models: &[&Model]) -> ExitCode {
    let (mut passed, mut failed) = (0, 0);
    for (model, fences) in models.iter().flat_map(|m| BOTH.map(|f| (m, f))) {
        let end = child(model, fences, None, Duration::from_secs(600));
        let name = format!("{}, fences {}", model.name, if fences == Fences::After { "after" } else { "before" });
        if end.well {
            passed += 1;
            println!("ok {} - {name} ({:.1} s)", passed + failed, end.took.as_secs_f64());
        } else {
            failed += 1;
            println!("not ok {} - {name}{}", passed + failed, if end.late { ": out of time" } else { "" });
            end.out.lines().filter(|l| !l.starts_with("met ")).take(40).for_each(|l| println!("#   {l}"));
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every fault that a model meets, in every model that meets it, until one notices.
fn seeded(models: &[&Model]) -> ExitCode {
    let mut who: BTreeMap<Fault, Vec<&Model>> = BTreeMap::new();
    let mut limits: BTreeMap<&str, Duration> = BTreeMap::new();
    for model in models {
        let end = child(model, Fences::Before, None, Duration::from_secs(600));
        limits.insert(model.name, end.took * 3 + Duration::from_secs(5));
        for fault in end.out.lines().filter_map(|l| l.strip_prefix("met ")).filter_map(Fault::parse) {
            who.entry(fault).or_default().push(model);
        }
    }
    let (mut caught, mut missed) = (0, 0);
    for (fault, models) in &who {
        let mut tries = models.iter().flat_map(|m| BOTH.map(|f| (m, f)));
        let noticed = tries.find(|(m, fences)| !child(m, *fences, Some(fault), limits[m.name]).well).map(|(m, _)| m);
        match noticed {
            Some(model) => {
                caught += 1;
                println!("ok - {fault}: noticed by {}", model.name);
            }
            None => {
                missed += 1;
                println!("not noticed: {fault}, in {}", models.iter().map(|m| m.name).collect::<Vec<_>>().join(", "));
            }
        }
    }
    println!("{caught} faults noticed, {missed} not");
    ExitCode::SUCCESS
}
