import type { Scenario } from '../scenario.js';
import { armed } from './armed.js';
import { bodies } from './bodies.js';
import { fanIn } from './fan-in.js';
import { handshakes, storm } from './handshakes.js';
import { http1 } from './http1.js';
import { http2 } from './http2.js';
import { idleMemory } from './idle-memory.js';
import { mtls } from './mtls.js';
import { routes } from './routes.js';
import { tcp } from './tcp.js';

/** Every scenario, in the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [
  http1,
  armed,
  bodies,
  http2,
  fanIn,
  routes,
  mtls,
  handshakes,
  storm,
  tcp,
  idleMemory,
];
