"""A yt_dlp that does what a test says, found before the real one by the child process."""


def install(folder, monkeypatch, script):
    """Make `python -m yt_dlp` of children run `script`, in which `arguments` is the list of the command line's."""
    package = folder / "yt_dlp"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(f"import os, signal, sys, time\narguments = sys.argv[1:]\n{script}\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
