import { InterceptionRulesError } from '../errors.js';
import { type PlanStep } from '../interception-rules/interception-plan.js';
import { describeFailure, programOf, type RulesVariant, type RunProgram } from './rules-variant.js';

/** So often at most is a step repeated that is to be repeated until it fails: an endless table is somebody's mistake. */
const MOST_REPEATS = 100;

/**
 * Runs the steps of a plan with one variant of the programs, one after the other.
 *
 * Errors: InterceptionRulesError for the first step that fails and may not; it names the command and what it said.
 */
export function runPlan(steps: readonly PlanStep[], variant: RulesVariant, run: RunProgram): void {
  for (const { program, args, input, unless, failure } of steps) {
    const command = programOf(program, variant);
    if (unless !== undefined && run(command, unless).status === 0) continue;
    for (let times = 0; times < MOST_REPEATS; times++) {
      const { status, stderr } = run(command, args, input);
      if (status === 0 && failure === 'repeat') continue;
      if (status === 0 || failure !== undefined) break;
      throw new InterceptionRulesError(
        `${[command, ...args].join(' ')}: ${describeFailure(command, stderr)}`,
      );
    }
  }
}
