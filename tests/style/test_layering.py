#!/usr/bin/env python3
"""The layering law of HACKING.md, read off the #include lines.

util       nothing of ours
core       util, include/, storage/storage.h and relay.h, its own folder
storage    util, include/, its own folder (a storage never sees another one);
           a decorator's folder also src/storage/*.h
tools      util, pawl.h and its parts, its own folder; never pawl/storage.h
examples   pawl.h only
tests      anything
"""
import os
import re

from tree import ROOT, Tap, sources

PUBLIC = {'pawl.h'} | {
    'pawl/' + path.name for path in (ROOT / 'include/pawl').glob('*.h')}
DECORATORS = ['storage/failover']
PARTS = PUBLIC - {'pawl/storage.h'}


def layer(path):
    """The layer a file belongs to: the key of LAW."""
    parts = path.split('/')
    if parts[0] == 'src' and parts[1] == 'storage' and len(parts) > 3:
        return 'storage/' + parts[2]
    if parts[0] == 'src':
        return parts[1]
    return parts[0]


def target(source, name, quoted):
    """The path below the root that the include means; None: not ours."""
    if name in PUBLIC:
        return 'include/' + name
    here = os.path.normpath(os.path.join(os.path.dirname(source.path), name))
    if quoted and (ROOT / here).is_file():
        return here
    for base in ('src', 'tools/pawl', 'tests/support', 'tests'):
        if (ROOT / base / name).is_file():
            return base + '/' + name
    return None


def allowed(where, what):
    public = what.startswith('include/') and what[len('include/'):] in PUBLIC
    part = what.startswith('include/') and what[len('include/'):] in PARTS
    util = what.startswith('src/util/')
    if where == 'include':
        return public
    if where == 'util':
        return util
    if where == 'core':
        return util or public or what.startswith('src/core/') or \
            what in ('src/storage/storage.h', 'src/storage/relay.h')
    if where == 'storage':
        return util or public or os.path.dirname(what) == 'src/storage' or \
            what in ['src/%s/%s.h' % (d, os.path.basename(d)) for d in DECORATORS]
    if where in DECORATORS:
        return util or public or os.path.dirname(what) == 'src/storage' or \
            what.startswith('src/' + where + '/')
    if where.startswith('storage/'):
        return util or public or what.startswith('src/' + where + '/')
    if where == 'tools':
        return util or part or what.startswith('tools/')
    if where == 'examples':
        return what == 'include/pawl.h'
    return True


def includes_of(files):
    problems = []
    for source in files:
        for number, name, quoted in source.includes():
            what = target(source, name, quoted)
            if what is None:
                # Made at build time (embedded SQL) or a system header: either
                # way its name tells nothing of another layer.
                continue
            if source.path == 'src/storage/registry.c' and \
                    what.startswith('src/storage/'):
                continue  # the one place that knows all of them
            if not allowed(layer(source.path), what):
                problems.append('%s:%d: %s may not include %s' % (
                    source.path, number, layer(source.path), what))
    return problems


def own_header_first(files):
    problems = []
    for source in files:
        if not source.path.endswith('.c'):
            continue
        header = source.path[:-2] + '.h'
        if not (ROOT / header).is_file():
            continue
        first = next(iter(source.includes()), (0, '', True))
        if os.path.basename(first[1]) != os.path.basename(header):
            problems.append('%s:%d: its own header comes first, not %s' % (
                source.path, first[0], first[1]))
    return problems


def names_no_database(files):
    """The core never names a database: not in code, not in a string but for
    the default URL."""
    problems = []
    for source in files:
        for number, line in enumerate(source.bare.split('\n'), 1):
            rest = line.replace('"sqlite:"', '').replace('PAWL_WITH_SQLITE', '')
            if re.search(r'sqlite|redis|valkey', rest, re.I):
                problems.append('%s:%d: names a database: %s' % (
                    source.path, number, line.strip()))
    return problems


tap = Tap()
SRC = sources('src')
CORE = [s for s in SRC if layer(s.path) == 'core']
for top, files in (('src', SRC), ('include', sources('include')),
                   ('tools', sources('tools')),
                   ('examples', sources('examples'))):
    tap.ok('%s includes only what its layer may' % top, includes_of(files))
tap.ok('each .c in src includes its own header first', own_header_first(SRC))
tap.ok('the core names no database', names_no_database(CORE))
tap.ok('the tree was found', [] if len(SRC) > 10 else ['no sources in src'])
tap.end()
