export { HeldKeepsake } from './held-keepsake.js';
export { HeldSockets, type HeldSocket } from './held-sockets.js';
export { Keepsake, type KeepsakeMessage } from './keepsake.js';
export { canHoldSockets } from './bind-socket.js';
export { ListeningSockets, type ChildMessage, type ListenAnswer } from './listening-sockets.js';
export { PROXY_NODE_FLAGS, proxyEnvironment, proxyNodeFlags } from './proxy-node-flags.js';
export { SupervisedProcess, type Crash, type SupervisedProcessOptions } from './supervised-process.js';
export { SUPERVISED, SupervisorLink, supervisorOf, type Channel } from './supervisor-link.js';
