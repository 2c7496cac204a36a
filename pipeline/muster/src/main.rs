//! The command line: reads arguments, calls one command, turns its outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use muster::commands::{self, Command};
use muster::failure::Exit;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Muster: decides for each attendance punch where it was made, which shift it belongs to and what is wrong with it.
#[derive(Parser)]
#[command(name = "muster", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 done, with rejects or findings; 2 wrong use or configuration; \
3 an outside system failed or would have to be harmed.";

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let printed = error.print();
            return ExitCode::from(if printed.is_ok() { exit.code() } else { Exit::Outside.code() });
        }
    };
    muster::allocator::keep_freed_memory();
    commands::start_log();
    muster::failure::lay_out();
    match commands::run(arguments.command) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            let exit = failure.exit;
            muster::tell(format_args!("{:?}", miette::Report::new(*failure)));
            ExitCode::from(exit.code())
        }
    }
}
