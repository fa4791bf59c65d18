#!/usr/bin/env python3
"""Calls that are allowed in one place only, or nowhere, and other rules that
a machine can keep: sizes, left-overs, test lists."""
import re

from tree import ROOT, Tap, sources

# What, why, and the files where it may stand all the same.
BANS = [
    (r'\bclock_gettime\b', 'time comes from a struct pawl_clock',
     r'src/util/clock\.c$'),
    (r'\b(time|gettimeofday|ftime)\s*\(', 'time comes from a struct pawl_clock',
     r'^$'),
    (r'\bsqlite3_\w+', 'SQLite belongs to its storage', r'src/storage/sqlite/'),
    (r'\bredis(Command|Append|Connect)\w*', 'Redis belongs to its storage',
     r'src/storage/redis/'),
    (r'\b(printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|perror)\s*\(',
     'the library never prints', r'^tools/|^examples/'),
    (r'\b(sprintf|vsprintf|strcpy|strcat|strtok|gets)\s*\(',
     'unbounded: use snprintf, memcpy or struct buf', r'^$'),
    (r'\b(atoi|atol|atof|strtol|strtoul|strtoll|strtoull)\s*\(',
     'accepts half a number silently', r'^tools/|^examples/'),
    (r'\b(localtime|gmtime|ctime|asctime)\s*\(',
     'shares static memory between threads', r'^$'),
    (r'\b(signal|sigaction)\s*\(', 'signals belong to the program', r'^tools/'),
    (r'\b(exit|_exit)\s*\(', 'a library does not end its program',
     r'^tools/|^examples/'),
    (r'\bsystem\s*\(|\bpopen\s*\(', 'no shell', r'^$'),
    (r'\brand(om)?\s*\(|\bsrand\w*\s*\(', 'use util/random.h', r'^$'),
]

LONGEST = 500  # lines of a .c or .h


def banned(files):
    for pattern, why, home in BANS:
        found = []
        for source in files:
            if re.search(home, source.path):
                continue
            for number, line in enumerate(source.code.split('\n'), 1):
                if re.search(pattern, line):
                    found.append('%s:%d: %s' % (
                        source.path, number, line.strip()))
        yield pattern, why, found


def too_long(files):
    return ['%s has %d lines' % (s.path, s.text.count('\n')) for s in files
            if s.text.count('\n') > LONGEST]


def wide(files):
    found = []
    for source in files:
        for number, line in enumerate(source.text.split('\n'), 1):
            if len(line) > 100 or '\t' in line or line != line.rstrip():
                found.append('%s:%d: over 100 columns, a tab, or blanks at '
                             'the end' % (source.path, number))
    return found


def left_open(files):
    words = re.compile(r'\b(TO' + r'DO|FIX' + r'ME|X' + r'XX)\b')
    return ['%s:%d: %s' % (s.path, number, line.strip())
            for s in files
            for number, line in enumerate(s.text.split('\n'), 1)
            if words.search(line)]


def no_role_comment(files):
    """Each file opens by saying what it decides."""
    return ['%s opens without a comment' % s.path for s in files
            if not s.text.startswith('/*')]


def unlisted():
    """A test that no meson.build names never runs."""
    found = []
    for folder in sorted((ROOT / 'tests').iterdir()):
        listing = folder / 'meson.build'
        if not listing.is_file():
            continue
        named = listing.read_text(encoding='utf-8')
        for path in sorted(folder.glob('test_*')):
            stem = re.sub(r'^test_|\.\w+$', '', path.name)
            if not re.search(r"'(test_)?%s(\.\w+)?'" % re.escape(stem), named):
                found.append('%s is not in its meson.build' % path.relative_to(
                    ROOT))
    return found


tap = Tap()
FILES = sources('src', 'include', 'tools', 'examples')
for pattern, why, found in banned(FILES):
    tap.ok('%s: %s' % (why, re.sub(r'\\b|\\s\*|\\w\+|\\', '', pattern)), found)
TESTS = sources('tests')
tap.ok('no file over %d lines' % LONGEST, too_long(FILES))
tap.ok('lines are narrow and clean', wide(FILES + TESTS))
tap.ok('nothing is left open', left_open(FILES + TESTS))
tap.ok('each file opens with its role', no_role_comment(FILES + TESTS))
tap.ok('every test file is listed', unlisted())
tap.end()
