#!/usr/bin/env python3
"""Turn SQL files into C, so that SQL is written as SQL.

usage: embed_sql.py --statements FILE --schema FILE... --header OUT --source OUT

A statement begins with a line "-- NAME: what it does", and goes on to the next
such line. A line "-- {name}: ..." begins a part instead: text that statements
include by writing {name}. Other comment lines are left out. Schema files are
embedded whole, comments included, because SQLite keeps the comments of a CREATE
TABLE and shows them in ".schema". They are given in the order of their numbers
and must end with PRAGMA user_version = that number.

The header declares enum sqlite_sql (SQL_NAME ..., SQL_COUNT), the texts and names
of the statements, and the schema steps: sqlite_schema[i] leads to version i + 1.
"""
import argparse
import re
import sys

STATEMENT = re.compile(r'^-- ([A-Z][A-Z0-9_]*): (.*)$')
PART = re.compile(r'^-- \{([a-z_]+)\}: (.*)$')
VERSION = re.compile(r'PRAGMA user_version = (\d+);\s*$')


def fail(message):
    sys.exit('embed_sql.py: ' + message)


def parse(path):
    """The statements in order, as (name, comment, sql)."""
    blocks, current = [], None
    for number, line in enumerate(open(path, encoding='utf-8'), 1):
        line = line.rstrip()
        begin = STATEMENT.match(line) or PART.match(line)
        if begin:
            current = (begin.group(1), begin.group(2), [])
            blocks.append(current)
        elif line.startswith('--') or not line:
            continue
        elif current is None:
            fail(f'{path}:{number}: text before the first statement')
        else:
            current[2].append(line)
    parts, statements = {}, []
    for name, comment, lines in blocks:
        text = '\n'.join(lines)
        if not text:
            fail(f"{path}: '{name}' is empty")
        for part, value in parts.items():
            text = text.replace('{' + part + '}', value)
        if '{' in text:
            fail(f"{path}: '{name}' includes a part that is not there")
        if name in parts or any(name == s[0] for s in statements):
            fail(f"{path}: '{name}' is there twice")
        if name.islower():
            parts[name] = text
        elif not text.endswith(';'):
            fail(f"{path}: '{name}' does not end with a semicolon")
        else:
            statements.append((name, comment, text[:-1]))
    return statements


def read_schema(paths):
    texts = []
    for number, path in enumerate(paths, 1):
        text = open(path, encoding='utf-8').read()
        version = VERSION.search(text)
        if not version or int(version.group(1)) != number:
            fail(f'{path}: does not end with PRAGMA user_version = {number};')
        texts.append(text)
    return texts


def literal(text):
    escaped = text.replace('\\', '\\\\').replace('"', '\\"')
    return '\n        '.join(f'"{line} "' for line in escaped.split('\n'))


def char_array(text):
    """Not a string literal: C compilers need not take more than 4,095 bytes."""
    data = [str(byte) for byte in text.encode('utf-8')] + ['0']
    rows = [', '.join(data[i:i + 16]) for i in range(0, len(data), 16)]
    return ',\n    '.join(rows)


def header(statements, schema):
    names = '\n'.join(f'    SQL_{name}, /* {comment} */'
                      for name, comment, _ in statements)
    return f'''/* Made from statements.sql by embed_sql.py; do not edit. */
#ifndef PAWL_SQLITE_SQL_H
#define PAWL_SQLITE_SQL_H

enum sqlite_sql {{
{names}
    SQL_COUNT
}};

extern const char *const sqlite_sql_text[SQL_COUNT];
extern const char *const sqlite_sql_names[SQL_COUNT];

/* sqlite_schema[i] brings a database from user_version i to i + 1. */
#define SQLITE_SCHEMA_COUNT {len(schema)}
extern const char *const sqlite_schema[SQLITE_SCHEMA_COUNT];
extern const int sqlite_schema_count;

#endif
'''


def source(statements, schema, header_name):
    out = ['/* Made from statements.sql and schema/ by embed_sql.py. */',
           f'#include "{header_name}"', '']
    out.append('const char *const sqlite_sql_text[SQL_COUNT] = {')
    out += [f'    [SQL_{n}] =\n        {literal(sql)},' for n, _, sql in statements]
    out += ['};', '', 'const char *const sqlite_sql_names[SQL_COUNT] = {']
    out += [f'    [SQL_{n}] = "{n}",' for n, _, _ in statements]
    out += ['};', '']
    for number, text in enumerate(schema, 1):
        out.append(f'static const char schema_{number}[] = {{\n'
                   f'    {char_array(text)}}};')
    names = ', '.join(f'schema_{i + 1}' for i in range(len(schema)))
    out += ['', 'const char *const sqlite_schema[SQLITE_SCHEMA_COUNT] = '
            f'{{ {names} }};',
            'const int sqlite_schema_count = SQLITE_SCHEMA_COUNT;', '']
    return '\n'.join(out)


def main():
    args = argparse.ArgumentParser()
    args.add_argument('--statements', required=True)
    args.add_argument('--schema', required=True, nargs='+')
    args.add_argument('--header', required=True)
    args.add_argument('--source', required=True)
    args = args.parse_args()
    statements = parse(args.statements)
    schema = read_schema(args.schema)
    with open(args.header, 'w', encoding='utf-8') as out:
        out.write(header(statements, schema))
    with open(args.source, 'w', encoding='utf-8') as out:
        out.write(source(statements, schema, args.header.split('/')[-1]))


main()
