#!/usr/bin/env python3
"""The rights that pawl asks for on a Redis, the self-test that looks for them and the
commands that are sent agree.

A word in capitals and quotes, in a script or a C file of the storage, is a command
unless WORDS has it: so a new one cannot be forgotten."""
import re

from tree import ROOT, Tap

FOLDER = ROOT / 'src/storage/redis'

# What stands in capitals and is no command: arguments, replies, codes of errors.
WORDS = set('''
    BLOCK COUNT LIMIT MAXLEN NOMKSTREAM STREAMS WITHSCORES REV BYSCORE
    NEW NONE FOREIGN TOOOLD GONE STALE TAKEN
    ASK BUSY CLUSTERDOWN CROSSSLOT DENIED ERR EXECABORT HOST LOADING MASTERDOWN
    MISCONF MOVED NOAUTH NOPERM NOPROTO NOREPLICAS NOSCRIPT NOTBUSY OOM READONLY
    TRYAGAIN UNBLOCKED UNKILLABLE WRONGPASS WRONGTYPE IOERR INPROG NOGOODSLAVE
'''.split())
# These have subcommands, and rights for each of them.
GROUPS = {'CLIENT', 'CLUSTER', 'CONFIG', 'SCRIPT', 'SENTINEL'}
# Allowed to everybody; asked for but not needed.
FREE = {'auth', 'config|get'}
# Not for scripts: their refusal is told by the connection, the first script or the
# way to the node.
OUTSIDE = {'asking', 'client|setname', 'cluster|slots', 'eval', 'evalsha', 'info',
           'ping', 'role', 'select', 'wait'}


def commands(path, quote):
    """name: where, for each command in the file."""
    text = path.read_text(encoding='utf-8')
    text = re.sub(r'--[^\n]*', '', text) if quote == "'" else \
        re.sub(r'/\*.*?\*/', lambda m: re.sub(r'[^\n]', '', m.group()), text,
               flags=re.S)
    found = {}
    word = re.compile(quote + r'([A-Z]{3,})' + quote + r'(?:,\s*' + quote +
                      r'([A-Z-]+)' + quote + ')?')
    at = 0
    while True:
        match = word.search(text, at)
        if not match:
            return found
        name, second = match.groups()
        at = match.end(1) + 1
        where = '%s:%d' % (path.relative_to(ROOT).as_posix(),
                           text.count('\n', 0, match.start()) + 1)
        if name in GROUPS and second:
            found[(name + '|' + second).lower()] = where
            at = match.end()
        elif name not in WORDS and name not in GROUPS:
            found[name.lower()] = where


used, tried = {}, {}
for script in sorted(FOLDER.glob('lua/**/*.lua')):
    (tried if script.name == 'probe.lua' else used).update(commands(script, "'"))
in_scripts = set(used)
for source in sorted(FOLDER.glob('*.c')):
    used.update(commands(source, '"'))
used = {name: where for name, where in used.items()
        if name not in FREE and not name.startswith('sentinel|')}
given = set(re.findall(r'\+([a-z|]+)', (FOLDER / 'redis_rights.c').read_text()))

tap = Tap()
tap.ok('the scripts were found', [] if len(in_scripts) > 10 else ['none'])
tap.ok('redis_rights.c gives a right to each command that is sent',
       ['%s: no right to %s' % (where, name) for name, where in sorted(used.items())
        if name not in given])
tap.ok('and to no other', ['nothing sends ' + name for name in sorted(given - set(used))])
tap.ok('probe.lua tries each command of the scripts',
       ['%s: %s is not tried' % (where, name) for name, where in sorted(used.items())
        if name not in tried and name not in OUTSIDE])
tap.ok('and no other', ['nothing sends ' + name
                        for name in sorted(set(tried) - set(used))])
tap.end()
