// Records `npm run demo` as a terminal shows it: docs/demo.cast (asciinema, version 2) and docs/demo.md, the same as text.
//
//   node scripts/record-demo.mjs
//
// It needs the program script of util-linux, for a terminal.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const WIDTH = 100;
const HEIGHT = 40;
/** Nobody wants to watch somebody wait. Units: seconds. */
const LONGEST_PAUSE = 1.5;
const END = 'Its dashboard:';

const root = fileURLToPath(new URL('..', import.meta.url));
const command = `stty cols ${WIDTH} rows ${HEIGHT}; exec node scripts/run.mjs demo`;
const recorder = spawn('script', ['-qefc', command, '/dev/null'], {
  cwd: root,
  env: { ...process.env, TERM: 'xterm-256color', npm_lifecycle_event: 'demo' },
  stdio: ['pipe', 'pipe', 'inherit'],
});
const events = [];
let text = '';
let clock = 0;
let last = performance.now();
let ending = false;
recorder.stdout.setEncoding('utf8').on('data', (bytes) => {
  // Where this machine keeps what is of the moment is nobody's business.
  const chunk = bytes.replaceAll(/\/\S*heddle-demo-\w+\//g, '…/');
  const now = performance.now();
  clock += Math.min(LONGEST_PAUSE, (now - last) / 1000);
  last = now;
  text += chunk;
  events.push([Number(clock.toFixed(3)), 'o', chunk]);
  if (ending || !text.includes(END)) return;
  ending = true;
  // Ctrl-C, as a person would.
  setTimeout(() => recorder.stdin.write('\x03'), 1_000);
});
recorder.on('close', () => {
  if (!ending) throw new Error(`the demo ended too early:\n${text.slice(-2_000)}`);
  const header = {
    version: 2,
    width: WIDTH,
    height: HEIGHT,
    title: 'npm run demo',
    env: { TERM: 'xterm-256color' },
  };
  const lines = [header, ...events].map((line) => JSON.stringify(line));
  writeFileSync(`${root}docs/demo.cast`, `${lines.join('\n')}\n`);
  writeFileSync(`${root}docs/demo.md`, page(text));
});

function page(recorded) {
  const escape = String.fromCharCode(27);
  const plain = recorded
    .split(escape)
    .map((part, index) => (index === 0 ? part : part.replace(/^\[[0-9;?]*[A-Za-z]/, '')))
    .join('')
    .replaceAll('\r', '')
    .replace('^C', '');
  return `# The demo, as it was recorded

What \`npm run demo\` shows: [demo.cast](demo.cast) has it with its colours and its pace (\`asciinema play docs/demo.cast\`); pauses are
cut to ${LONGEST_PAUSE} s. \`node scripts/record-demo.mjs\` records it anew.

\`\`\`text
${plain.trim()}
\`\`\`
`;
}
