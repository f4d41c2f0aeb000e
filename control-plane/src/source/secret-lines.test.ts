import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatProblem } from './format-problem.js';
import { parseMeshFile } from './parse-mesh-file.js';
import { SecretLines } from './secret-lines.js';

const hidden = 'Zq7KxW3vTn9LpRd2';
const documents: readonly string[] = [
  `apiVersion: v1\nkind: Secret\nmetadata: { name: a }\nstringData:\n  password: ${hidden}\n`,
  `apiVersion: v1\nkind: Secret\nmetadata: { name: a }\ntype: kubernetes.io/tls\ndata:\n  tls.crt: ${hidden}\n  tls.key: "${hidden}"\n`,
  `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":{"tls.key":"${hidden}"}}\n`,
  `apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Secret\n    metadata: { name: a }\n    stringData:\n      tls.key: |\n        -----BEGIN PRIVATE KEY-----\n        ${hidden}\n`,
];

describe('what a Secret holds', () => {
  it('is in no message, however the document is broken', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...documents),
        fc.nat(),
        fc.nat({ max: 3 }),
        fc.constantFrom('', '"', "'", ':', '{', '[', '\t', '*', '&', '#', '|', '\n', '- ', '!'),
        (document, place, removed, inserted) => {
          const at = place % document.length;
          // Taken apart it would no longer be the text that is looked for, and as a name it is none of the values.
          const middle = document.indexOf(hidden);
          fc.pre(at <= middle || at > middle + hidden.length);
          const text = `${document.slice(0, at)}${inserted}${document.slice(at + removed)}`;
          const shown = parseMeshFile(`${text}---\nkind: Broken\n`, 'secret.yaml').problems;
          assert.ok(shown.length > 0);
          for (const problem of shown) {
            const { lineText, message } = problem;
            assert.doesNotMatch(`${lineText ?? ''} ${message} ${formatProblem(problem)}`, new RegExp(hidden));
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('SecretLines', () => {
  it('hides the lines of documents with a Secret, and no others', () => {
    const source = `kind: Service\nname: a\n---\nkind: Secret\nstringData:\n  key: ${hidden}\n---\nkind: Service\n`;
    const lines = new SecretLines(source);
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6, 7, 8].map((line) => lines.holds(line)),
      [false, false, true, true, true, true, false, false],
    );
    assert.equal(lines.shown(6, `  key: ${hidden}`), '  key: …');
    assert.equal(lines.shown(4, 'kind: Secret'), 'kind: Secret');
    assert.equal(lines.shown(2, 'name: a'), 'name: a');
  });
});
