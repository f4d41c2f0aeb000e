import { setFlagsFromString } from 'node:v8';

/**
 * V8 puts small functions into those that call them up to these sizes, in bytes of byte code. A request runs through many small
 * methods and a few long ones that are called from one place each: by default (460 and 920) half of the calls stay calls.
 */
export const COMPILER_FLAGS: readonly string[] = [
  '--max-inlined-bytecode-size=1000',
  '--max-inlined-bytecode-size-cumulative=3000',
];

/** To be called before anything that matters has run often. A V8 that does not know one of them ignores it. */
export function tuneCompiler(): void {
  for (const flag of COMPILER_FLAGS) setFlagsFromString(flag);
}
