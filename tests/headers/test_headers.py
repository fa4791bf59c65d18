#!/usr/bin/env python3
"""Compile each public header alone, twice in a row, as pedantic C11 and as
C++17: nothing may be missing, nothing defined twice, nothing need _GNU_SOURCE."""
import argparse
import pathlib
import subprocess
import sys

parser = argparse.ArgumentParser()
parser.add_argument('include')
parser.add_argument('--cc', nargs='+', required=True)
parser.add_argument('--headers', nargs='+', required=True)
args = parser.parse_args()

WARNINGS = ['-Wall', '-Wextra', '-Wpedantic', '-Werror', '-fsyntax-only',
            '-I', args.include]
# gcc and clang are C++ compilers too when told so; what may be missing is the
# C++ standard library, which the headers do not need: only C's.
LANGUAGES = [
    ('C11', ['-x', 'c', '-std=c11', '-Wstrict-prototypes', '-Wshadow']),
    # Not -Wshadow: a struct and a function of one name, as stat() has them, are
    # what it warns of in C++.
    ('C++17', ['-x', 'c++', '-std=c++17']),
]


def compiles(language, text):
    run = subprocess.run(args.cc + language + WARNINGS + ['-'], input=text,
                         text=True, capture_output=True)
    return run.returncode == 0, run.stderr


inside = pathlib.Path(args.include)
there = {p.relative_to(inside).as_posix() for p in inside.rglob('*.h')}
count = failed = 0


def report(good, name, detail=''):
    global count, failed
    count += 1
    failed += 0 if good else 1
    print('%sok %d - %s' % ('' if good else 'not ', count, name))
    for line in detail.splitlines() if not good else []:
        print('# ' + line)


report(there == set(args.headers), 'the list is complete',
       'differ: %s' % sorted(there ^ set(args.headers)))
for header in args.headers:
    twice = '#include <%s>\n#include <%s>\nextern int nothing_else;\n' % (
        header, header)
    for name, language in LANGUAGES:
        good, errors = compiles(language, twice)
        report(good, '%s as %s' % (header, name), errors)
print('1..%d' % count)
sys.exit(1 if failed else 0)
