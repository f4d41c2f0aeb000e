import { parseConfigDocument, translateBootstrap } from '@heddle/data-plane/testing';
import type { FuzzTarget } from '../fuzz-target.js';

export const configTargets: readonly FuzzTarget[] = [
  {
    name: 'bootstrap',
    isStream: false,
    tokens: [
      ...[
        '\n',
        '\n  ',
        '\n- ',
        ': ',
        '- ',
        '{',
        '}',
        '[',
        ']',
        ',',
        '"',
        "'",
        '&a ',
        '*a',
        '<<: *a',
        '!!binary ',
        '|',
        '>',
        '# ',
        '---\n',
      ],
      ...[
        '...',
        '? ',
        '~',
        'null',
        '.inf',
        '0x7f',
        '1e999',
        '\t',
        '%YAML 1.2',
        'static_resources:',
        'listeners:',
        'clusters:',
        'name:',
      ],
      ...[
        '"@type": ',
        'type.googleapis.com/',
        '__proto__:',
        'constructor:',
        'timeout: -1s',
        'port_value: 70000',
      ],
    ],
    run: ([bytes = Buffer.alloc(0)]) => {
      const document = parseConfigDocument(bytes.toString('utf8'));
      if (document.problems.length > 0) return document.problems.map(({ message }) => message).join();
      const { findings } = translateBootstrap(document.value);
      return findings.problems
        .map(({ path, message }) => `${document.lineOf(path)} ${path} ${message}`)
        .join();
    },
  },
];
