export { HeldSockets, SUPERVISED, supervisorOf, type Channel, type HeldSocket } from './held-sockets.js';
export {
  ListeningSockets,
  canHoldSockets,
  type ChildMessage,
  type ListenAnswer,
} from './listening-sockets.js';
export { PROXY_NODE_FLAGS } from './proxy-node-flags.js';
export { SupervisedProcess, type Crash, type SupervisedProcessOptions } from './supervised-process.js';
