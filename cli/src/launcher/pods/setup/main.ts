// Runs inside namespaces of a pod, or of the switch between pods, and ends when they are set up.
import { setUp } from '../set-up.js';
import type { SetupPlan } from '../setup-plan.js';

const send = process.send?.bind(process) as
  | ((message: unknown, handle: unknown, options: object, callback: (error: Error | null) => void) => boolean)
  | undefined;
if (send === undefined) throw new Error('this program is started by heddle up alone');
await setUp(JSON.parse(process.argv[2] ?? '') as SetupPlan, process.env, (message, handle) => {
  return new Promise((resolve, reject) => {
    send(message, handle, {}, (error) => (error === null ? resolve() : reject(error)));
  });
});
process.exit(0);
