#!/usr/bin/env python3
"""Count what one `meson test` run did: each TAP line, or the program where it
speaks no TAP. Prints what went wrong, then "LEG: P passed, F failed"; the
last line is for the caller: "P F".

A skipped test counts as failed: tools/setup.sh installs what tests need, so a
skip hides something. So does a program that crashed, timed out, or passed
every case and still answered with an error.
"""
import json
import re
import sys

LINE = re.compile(r'^(not )?ok\b\s*(\d*)\s*-?\s*([^#\n]*)(#\s*(skip|todo)\b.*)?',
                  re.I | re.M)


def count(test):
    """(passed, [problems]) of one program."""
    name, result = test['name'], test['result']
    output = test.get('stdout') or ''
    cases = list(LINE.finditer(output))
    problems = []
    for case in cases:
        bad, _, text, mark, _ = case.groups()
        if bad:
            problems.append('FAILED   %s: %s' % (name, text.strip()))
        elif mark:
            problems.append('SKIPPED  %s: %s %s' % (name, text.strip(), mark))
    passed = len(cases) - len(problems)
    if result == 'OK' and not cases:
        passed = 1
    elif result not in ('OK', 'EXPECTEDFAIL') and not problems:
        problems.append('%-8s %s (exit status %s)' % (
            result, name, test.get('returncode')))
    return passed, problems


def main():
    leg, log = sys.argv[1:]
    passed, problems, detail = 0, [], []
    with open(log, encoding='utf-8', errors='replace') as lines:
        for line in lines:
            test = json.loads(line)
            more, wrong = count(test)
            passed += more
            problems += wrong
            if wrong:
                tail = ((test.get('stdout') or '') + (test.get('stderr') or ''))
                detail += ['--- %s' % test['name']] + [
                    text for text in tail.splitlines()[-400:]
                    if not re.match(r'ok\b', text)][-60:]
    for text in detail + problems:
        print(text)
    print('%s: %d passed, %d failed' % (leg, passed, len(problems)))
    print(passed, len(problems))


main()
