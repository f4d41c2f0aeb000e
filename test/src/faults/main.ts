import { controlPlaneDrills } from './control-plane-drills.js';
import { describeReport, runDrill, type DrillGround, type DrillReport } from './drill.js';
import { identityDrills } from './identity-drills.js';
import { meshDrills } from './mesh-drills.js';
import { proxyDrills } from './proxy-drills.js';
import { replacementDrills } from './replacement-drills.js';
import { stormDrills } from './storm-drills.js';

/**
 * Drills for what breaks: each harms something under load and counts the requests that fail.
 *
 *   npm run test:faults                 all of them
 *   npm run test:faults -- gateway      those whose names have a word
 *   npm run test:faults -- -o json      for programs
 */
const args = process.argv.slice(2);
const isJson = args.join(' ').includes('-o json');
const words = args.filter((arg) => arg !== '-o' && arg !== 'json');
const grounds: readonly DrillGround[] = [
  proxyDrills(),
  replacementDrills(),
  controlPlaneDrills(),
  identityDrills(),
  stormDrills(),
  meshDrills(),
];

const say = (text: string): void => void (isJson ? process.stderr : process.stdout).write(`${text}\n`);
const reports: DrillReport[] = [];
for (const ground of grounds) {
  const drills = ground.drills.filter(
    ({ name, onlyWhenNamed }) =>
      (words.length === 0 && onlyWhenNamed !== true) || words.some((word) => name.includes(word)),
  );
  if (drills.length === 0) continue;
  if (ground.missing !== undefined) {
    say(`skipped: ${ground.name}: ${ground.missing}`);
    continue;
  }
  say(`${ground.name}:`);
  try {
    await ground.start();
    for (const drill of drills) {
      const report = await runDrill(drill);
      reports.push(report);
      say(describeReport(report));
    }
  } finally {
    await ground.stop();
  }
}
const failed = reports.filter(({ ok }) => !ok);
if (isJson) process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`);
say(`${reports.length} drills, ${failed.length} failed`);
process.exitCode = failed.length === 0 && reports.length > 0 ? 0 : 1;
