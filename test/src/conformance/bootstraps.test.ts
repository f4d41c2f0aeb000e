import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { heddleProxy, realEnvoy } from '../support/proxy-subjects.js';
import { ALL_SUITES } from './all-suites.js';
import type { ConformanceSuite } from './conformance-suite.js';
import { reasonsFor } from './differences.js';
import type { Observation } from './row-context.js';
import { bootstrapPath, SuiteRun } from './suite-run.js';

/** HEDDLE_UPDATE_EXPECTATIONS=1: what Envoy does is written down as what is expected; where heddle-proxy differs
 * on purpose, what it does is, too: look at the difference before committing it. */
const update = process.env['HEDDLE_UPDATE_EXPECTATIONS'] === '1';
/** HEDDLE_SUBJECT=envoy or heddle-proxy: only that one. */
const only = process.env['HEDDLE_SUBJECT'];
/** HEDDLE_SUITE=03: only the files whose names begin so. */
const onlySuite = process.env['HEDDLE_SUITE'] ?? '';

type Expected = Record<string, Observation>;

/** One bootstrap file for both proxies; every row is held to what was recorded from Envoy, by Envoy itself too. */
for (const suite of ALL_SUITES.filter(({ file }) => file.startsWith(onlySuite))) {
  const expectedFile = bootstrapPath(`${suite.file}.expected.json`);
  const oursFile = bootstrapPath(`${suite.file}.heddle.json`);
  for (const subject of [realEnvoy(), heddleProxy()]) {
    if (only !== undefined && only !== subject.name) continue;
    const writing = update && subject.name === 'envoy';
    describe(`${suite.file} on ${subject.name}`, { skip: subject.missing ?? false }, () => {
      let run: SuiteRun;
      let expected: Expected = {};
      let ours: Expected = {};
      const seen: Record<string, Observation> = {};

      before(async () => {
        if (!writing && existsSync(expectedFile))
          expected = JSON.parse(await readFile(expectedFile, 'utf8')) as Expected;
        if (existsSync(oursFile)) ours = JSON.parse(await readFile(oursFile, 'utf8')) as Expected;
        run = await SuiteRun.start(suite, subject);
      });
      after(async () => {
        const file = subject.name === 'envoy' ? expectedFile : oursFile;
        if (update && Object.keys(seen).length > 0) {
          await writeFile(file, `${JSON.stringify(seen, null, 2)}\n`);
        }
        await run?.stop();
      });

      for (const row of suite.rows) {
        it(row.title, async () => {
          for (const upstream of run.context.upstreams.values()) {
            upstream.takeRecorded();
            upstream.forgetReplies();
          }
          const observed = await row.observe(run.context);
          if (writing) {
            seen[row.title] = observed;
            return;
          }
          const recorded = expected[row.title];
          assert.ok(recorded !== undefined, `nothing is recorded for this row: ${JSON.stringify(observed)}`);
          if (subject.name !== 'heddle-proxy' || reasonsFor(suite.file, row.title).length === 0) {
            assert.deepEqual(observed, recorded);
            return;
          }
          seen[row.title] = observed;
          if (update) return;
          assert.notDeepEqual(observed, recorded, 'there is no difference any more: take it off the list');
          assert.deepEqual(observed, ours[row.title]);
        });
      }

      it('is still running at the end', async () => {
        await assertServes(run, suite);
      });
    });
  }
}

async function assertServes(run: SuiteRun, suite: ConformanceSuite): Promise<void> {
  const ready = await fetch(`http://127.0.0.1:${run.context.port('ADMIN')}/ready`);
  assert.ok(ready.status === 200 || ready.status === 503, `${suite.file}: ${ready.status}\n${run.output}`);
  await ready.text();
}
