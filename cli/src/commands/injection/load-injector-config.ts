import { readFileSync } from 'node:fs';
import { describeError } from '@heddle/common';
import { InjectorConfigError, parseInjectorConfig, type InjectorConfig } from '@heddle/injector';

/** What says how pods are injected. */
export interface InjectorConfigSource {
  /** The file that heddled was given as `--injector-config`. */
  readonly config: string | undefined;
  /** Instead of the file's, or of its default. */
  readonly image: string | undefined;
  readonly revision: string | undefined;
}

/** Errors: InjectorConfigError with every problem, each beginning with the file. */
export function loadInjectorConfig({ config: file, image, revision }: InjectorConfigSource): InjectorConfig {
  const overrides = {
    ...(image === undefined ? {} : { image }),
    ...(revision === undefined ? {} : { revision }),
  };
  if (file === undefined) {
    if (image !== undefined) return parseInjectorConfig('', overrides);
    throw new InjectorConfigError([
      'which image is the sidecar? --image names it, or --config FILE, the configuration that heddled injects by',
    ]);
  }
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new InjectorConfigError([`--config ${file} cannot be read: ${describeError(cause)}`], { cause });
  }
  try {
    return parseInjectorConfig(text, overrides);
  } catch (error) {
    if (!(error instanceof InjectorConfigError)) throw error;
    throw new InjectorConfigError(error.problems.map((problem) => `${file}: ${problem}`));
  }
}
