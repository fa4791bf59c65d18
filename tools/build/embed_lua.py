#!/usr/bin/env python3
"""Turn Lua scripts into C, so that Lua is written as Lua.

usage: embed_lua.py --header OUT --source OUT FILE.lua...

A line "-- include: a, b" is replaced by lib/a.lua and lib/b.lua from the folder
of the script; a first line "#!lua ..." stays first. Comment lines, empty lines
and indentation are left out, so that the server has less to keep. The names of
the scripts are those of their files; the header declares redis_script_NAME for
each, with its text and the SHA-1 under which the server knows it.
"""
import argparse
import hashlib
import os
import re
import sys

INCLUDE = re.compile(r'^-- include: (.*)$')


def lines_of(path):
    folder = os.path.dirname(path)
    for number, line in enumerate(open(path, encoding='utf-8'), 1):
        line = line.strip()
        include = INCLUDE.match(line)
        if include:
            for name in include.group(1).split(','):
                part = os.path.join(folder, 'lib', name.strip() + '.lua')
                if not os.path.isfile(part):
                    sys.exit(f'embed_lua.py: {path}:{number}: there is no {part}')
                yield from lines_of(part)
        elif line and not line.startswith('--'):
            if line.startswith('#!') and number > 1:
                sys.exit(f'embed_lua.py: {path}:{number}: "#!" is not on line 1')
            if '[[' in line or ']]' in line:
                sys.exit(f'embed_lua.py: {path}:{number}: no long strings here')
            yield line


def numbers(data):
    """As bytes: a string literal this long is more than C promises to take."""
    for at in range(0, len(data), 20):
        yield '    ' + ''.join('%d,' % byte for byte in data[at:at + 20])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--header', required=True)
    parser.add_argument('--source', required=True)
    parser.add_argument('scripts', nargs='+')
    args = parser.parse_args()
    header = ['/* Made by embed_lua.py. */', '#ifndef PAWL_REDIS_LUA_H',
              '#define PAWL_REDIS_LUA_H', '#include <stddef.h>', '',
              'struct redis_script {', '    const char *name, *text;',
              '    size_t size;', '    char sha[41];', '};', '']
    source = ['/* Made by embed_lua.py. */', '#include "redis_lua.h"']
    names = []
    for path in args.scripts:
        name = os.path.basename(path)[:-len('.lua')]
        lines = list(lines_of(path))
        text = '\n'.join(lines) + '\n'
        names.append(name)
        header.append(f'extern const struct redis_script redis_script_{name};')
        data = text.encode()
        source += ['', f'static const char text_{name}[] = {{', *numbers(data), '    0 };',
                   f'const struct redis_script redis_script_{name} = {{',
                   f'    "{name}", text_{name}, {len(data)},',
                   f'    "{hashlib.sha1(data).hexdigest()}" }};']
    header += ['', '/* All of them, by name; ends with NULL. */',
               'extern const struct redis_script *const redis_scripts[];', '#endif']
    source += ['', 'const struct redis_script *const redis_scripts[] = {']
    source += [f'    &redis_script_{name},' for name in names] + ['    NULL };']
    open(args.header, 'w', encoding='utf-8').write('\n'.join(header) + '\n')
    open(args.source, 'w', encoding='utf-8').write('\n'.join(source) + '\n')


main()
