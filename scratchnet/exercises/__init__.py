"""Learn backpropagation by writing it: small files with one hole each, run again on every save.

    python -m scratchnet.exercises start FOLDER         and then, in that folder:  … watch

    course/NAME.py      what the learner gets: text, code, and the solution between two marks
    judges/NAME.py      how it is judged: the checks, the hints, the wrong answers it must name
    exercise.py         both as one object; the stub is cut from the solution, so they cannot drift apart
    judging.py          what judges are written with: the learner's functions, held against the right ones
    worker.py runner.py the learner's file runs in a process of its own, with a time limit
    folder.py progress.py  the learner's folder: files, backups, what was passed
    feedback.py questions.py hints.py  the verdict in words
    cli.py watch.py     the commands
    author.py           `check`, for authors and CI: stubs fail, solutions pass, wrong answers get their names
"""
