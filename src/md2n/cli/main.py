"""The ``md2n`` command: the names and help lines of all sub-commands, whose code is imported when they are called."""

import importlib
import os
import sys
from collections.abc import Sequence
from traceback import walk_tb
from typing import Any, NamedTuple

from md2n import __version__
from md2n.cli.stopping import Stop, stoppable
from md2n.errors import Md2nError, UsageError, did_you_mean
from md2n.escape import visible


class Entry(NamedTuple):
    """A sub-command: its import path, and its line in ``md2n --help``."""

    target: str
    line: str


COMMANDS: dict[str, Entry] = {
    "demo": Entry("md2n.cli.demo:demo", "Train, compare and recover on the embedded digits, in 3 minutes."),
    "data": Entry("md2n.cli.data:app", "List, import, check and describe data sets."),
    "extract": Entry("md2n.cli.extract:extract", "Extract words, voices and faces from raw clips to a store."),
    "train": Entry("md2n.cli.train:train", "Train a method into a run folder, or resume a training."),
    "evaluate": Entry("md2n.cli.evaluate:evaluate", "Measure a run under every missing pattern."),
    "value": Entry("md2n.cli.value:value", "Measure what each modality is worth, gaps or not."),
    "predict": Entry("md2n.cli.predict:predict", "Predict for new data with any missing modalities."),
    "recover": Entry("md2n.cli.recover:recover", "Recover missing modalities, with standard deviations."),
    "serve": Entry("md2n.cli.serve:serve", "Serve a run over HTTP: an API, metrics, and a page to try it."),
    "explain": Entry("md2n.cli.explain:explain", "Say what each modality adds to each prediction."),
    "inspect": Entry("md2n.cli.inspect:inspect", "Score how badly a modality fits the others, per sample."),
    "retrieve": Entry("md2n.cli.retrieve:retrieve", "Find the nearest items across modalities, with gaps."),
    "share": Entry("md2n.cli.share:share", "Write a model as a folder to pass on; push it to a hub."),
    "export": Entry("md2n.cli.export:export", "Export a network to ONNX or torch.export."),
    "plan": Entry("md2n.cli.plan:plan", "Say what training and recovering many rows will cost."),
    "benchmark": Entry("md2n.cli.benchmark:benchmark", "Run methods x data sets x seeds; resumable."),
    "reproduce": Entry("md2n.cli.reproduce:reproduce", "Make a table or figure of the paper; resumable."),
    "report": Entry("md2n.cli.report:report", "Make tables and figures from runs."),
    "methods": Entry("md2n.cli.methods:app", "List methods, and describe one."),
    "config": Entry("md2n.cli.config:app", "List presets, and show every setting of one."),
    "doctor": Entry("md2n.cli.doctor:doctor", "Show versions, devices and extras of this machine."),
}

HEAD = """Usage: md2n [OPTIONS] COMMAND [ARGS]...

  Multimodal learning with missing modalities: MD2N and its baselines under one
  protocol.

Options:
  --version             Show the version.
  --debug               Show a traceback for every error.
  --install-completion  Let Tab complete commands and options in this shell.
  --show-completion     Print what --install-completion would add.
  -h, --help            Show this message; `md2n COMMAND --help` has examples.

Commands:
"""

COMPLETING = "_MD2N_COMPLETE"  # set by a shell that requests completions
OPTIONS = ("--version", "--debug", "--install-completion", "--show-completion", "--help")

TAIL = """
Start here:

  md2n demo
  md2n data list
  md2n train --data digits --out runs/digits
  md2n evaluate runs/digits
"""


def help_text() -> str:
    """The text of ``md2n --help``; imports no command."""
    return HEAD + "".join(f"  {name:<10}  {entry.line}\n" for name, entry in COMMANDS.items()) + TAIL


def target(name: str) -> Any:
    """The function or typer application of a sub-command; imports its module.

    Raises:
        UsageError: the name is unknown; the hint names the most similar one.
    """
    if name not in COMMANDS:
        raise UsageError(f"no command is called '{name}'", did_you_mean(name, COMMANDS))
    module, _, attribute = COMMANDS[name].target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def command(name: str) -> Any:
    """The click command of a sub-command; imports its module.

    Raises:
        UsageError: the name is unknown; the hint names the most similar one.
    """
    body = target(name)
    import typer

    if not isinstance(body, typer.Typer):
        # Without markup, examples in docstrings keep their line breaks, and help does not import rich.
        single = typer.Typer(
            add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
        )
        single.command(name)(body)
        body = single
    return typer.main.get_command(body)


def dispatch(arguments: Sequence[str]) -> int:
    """Runs the command that the arguments name; returns the exit code.

    Raises:
        Md2nError: any error of the command.
    """
    rest = list(arguments)
    if COMPLETING in os.environ:
        from md2n.cli.completion import complete

        return complete([])
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "--version":
            sys.stdout.write(f"md2n {__version__}\n")
            return 0
        if option in ("-h", "--help"):
            sys.stdout.write(help_text())
            return 0
        if option in ("--install-completion", "--show-completion"):
            from md2n.cli.completion import complete

            return complete([option, *rest])
        if option != "--debug":
            raise UsageError(f"no option is called '{option}'", did_you_mean(option, OPTIONS))
        os.environ["MD2N_DEBUG"] = "1"
    if not rest:
        sys.stdout.write(help_text())
        return 0
    chosen = command(rest[0])
    # `chosen.main` is not used, because it exits by itself on Ctrl-C and on a closed pipe.
    with chosen.make_context(f"md2n {rest[0]}", rest[1:]) as context:
        chosen.invoke(context)
    return 0


def run(arguments: Sequence[str] | None = None) -> None:
    """The console entry point.  It prints every error as two lines on stderr and exits with a code for its kind.

    A signal is printed as one line, whatever exception it causes; an interrupted import can raise any exception.
    """
    with stoppable() as stop:
        try:
            code = _ended(arguments, stop)
        except KeyboardInterrupt:
            code = _stopped(stop)
        except Exception:
            if not stop.number:
                raise
            code = _stopped(stop)
    sys.exit(code)


def _ended(arguments: Sequence[str] | None, stop: Stop) -> int:
    try:
        code = dispatch(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()  # here, where a closed pipe is still a BrokenPipeError
    except Md2nError as refusal:
        if stop.number:
            return _stopped(stop)
        if os.environ.get("MD2N_DEBUG"):
            raise
        return _refused(refusal)
    except BrokenPipeError:
        # The reader has closed the pipe (`md2n ... | head`).  This is no error, but nothing more can be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as ending:
        # typer has its own copy of click, so its exceptions are recognised by their attributes.
        if hasattr(ending, "show") and hasattr(ending, "exit_code"):
            return _refused(_own(ending))
        if stop.number:
            return _stopped(stop)
        if hasattr(ending, "exit_code"):
            return int(ending.exit_code)
        if os.environ.get("MD2N_DEBUG"):
            raise
        return _refused(_fault(ending))
    return code


def _fault(ending: Exception) -> Md2nError:
    """Of md2n, or of an added method if its file was at work."""
    from md2n.methods.added import files

    cause = " ".join(f"{type(ending).__name__}: {ending}".split())[:300]
    own = {str(path): path.name for path in files().values()}
    for frame, line in walk_tb(ending.__traceback__):
        if name := own.get(frame.f_code.co_filename):
            return Md2nError(
                f"{name} failed in line {line}: {cause}", "mend it; the same command with MD2N_DEBUG=1 shows more"
            )
    hint = "the same command with MD2N_DEBUG=1 shows where; please report it with what it shows"
    return Md2nError(f"this is a fault of md2n: {cause}", hint)


def _refused(refusal: Md2nError) -> int:
    sys.stderr.write(f"error: {visible(refusal.message, lines=True)}\n")
    if refusal.hint:
        sys.stderr.write(f"next: {visible(refusal.hint, lines=True)}\n")
    return refusal.exit_code


def _stopped(stop: Stop) -> int:
    sys.stderr.write(f"{stop.line}\n")
    return stop.exit_code


def _own(ending: Any) -> Md2nError:
    """An error of typer in the form of md2n's errors: what is wrong, and the usage of the command."""
    message = str(ending.format_message()).rstrip(".")
    refusal = Md2nError(message[:1].lower() + message[1:], "`md2n COMMAND --help` has examples of every command")
    refusal.exit_code = int(ending.exit_code)
    context = getattr(ending, "ctx", None)
    if context is None:
        return refusal
    path, usage = context.command_path, " ".join(context.get_usage().removeprefix("Usage: ").split())
    if hasattr(context.command, "commands"):
        refusal.hint = f"{path} COMMAND, where COMMAND is one of: {', '.join(context.command.commands)}"
    elif option := getattr(ending, "option_name", ""):
        known = [o for p in context.command.params for o in (*p.opts, *p.secondary_opts) if o.startswith("--")]
        refusal.message = f"no option of `{path}` is called '{option}'"
        refusal.hint = did_you_mean(str(option), known)
    else:
        takes = str(getattr(getattr(ending, "param", None), "help", "") or "").rstrip(".")
        aside = f" (expected: {takes[:1].lower()}{takes[1:]})" if takes else ""
        refusal.hint = f"usage: {usage}{aside}; `{path} --help` has examples"
    return refusal


if __name__ == "__main__":
    run()
