import type { envoy } from '@heddle/xds-protos';
import type { HeaderChange, HeaderChanges } from '../config/route-config.js';
import { compileTemplate } from '../format/template.js';
import { NO_HEADER_CHANGES } from '../route/header-changes.js';
import type { Findings } from './findings.js';
import { hasControls, isHeaderName } from './matchers.js';

const ACTIONS = [
  'append-if-exists-or-add',
  'add-if-absent',
  'overwrite-if-exists-or-add',
  'overwrite-if-exists',
] as const;

/** Envoy's bounds for one list. */
const MAX_CHANGES = 1000;
const MAX_VALUE_BYTES = 16_384;

type Option = envoy.config.core.v3.HeaderValueOption;

/** The header changes of a message that has `request_headers_to_add` and its three siblings. */
export function translateHeaderChanges(
  toAdd: readonly Option[],
  toRemove: readonly string[],
  path: string,
  side: 'request' | 'response',
  findings: Findings,
): HeaderChanges {
  if (toAdd.length === 0 && toRemove.length === 0) return NO_HEADER_CHANGES;
  const addPath = `${path}${path === '' ? '' : '.'}${side}_headers_to_add`;
  const removePath = `${path}${path === '' ? '' : '.'}${side}_headers_to_remove`;
  return {
    remove: toRemove.map((name, i) => {
      checkChangeable(name, `${removePath}[${i}]`, 'removed', findings);
      return name.toLowerCase();
    }),
    set: translateHeaderOptions(toAdd, addPath, findings),
  };
}

/** What is added or set, of the list at `path`. */
export function translateHeaderOptions(
  options: readonly Option[],
  path: string,
  findings: Findings,
): readonly HeaderChange[] {
  if (options.length > MAX_CHANGES) findings.problem(path, `has more than ${MAX_CHANGES} entries`);
  return options.map((option, i) => translateHeaderOption(option, `${path}[${i}]`, findings));
}

function checkChangeable(name: string, path: string, what: string, findings: Findings): void {
  if (name === '') findings.problem(path, 'must not be empty');
  else if (name.startsWith(':') || name.toLowerCase() === 'host') {
    findings.problem(path, `${JSON.stringify(name)}: pseudo-headers and host must not be ${what}`);
  } else if (!isHeaderName(name)) findings.problem(path, `${JSON.stringify(name)} is not a header name`);
}

function translateHeaderOption(option: Option, path: string, findings: Findings): HeaderChange {
  const { header } = option;
  if (header === null) findings.problem(`${path}.header`, 'must be set');
  const name = header?.key ?? '';
  if (header !== null) checkChangeable(name, `${path}.header.key`, 'changed', findings);
  if (header !== null && header.value !== '' && header.rawValue.length > 0) {
    findings.problem(`${path}.header`, 'only one of value and raw_value may be set');
  }
  const raw = header?.rawValue ?? new Uint8Array(0);
  const value = raw.length > 0 ? Buffer.from(raw).toString('latin1') : (header?.value ?? '');
  if (hasControls(value)) findings.problem(`${path}.header.value`, 'must not hold CR, LF or NUL');
  if (Buffer.byteLength(value) > MAX_VALUE_BYTES) {
    findings.problem(`${path}.header.value`, `is longer than ${MAX_VALUE_BYTES} bytes`);
  }
  const hasOperators = value.includes('%');
  if (hasOperators) checkTemplate(value, `${path}.header.value`, findings);
  return {
    name: name.toLowerCase(),
    rawName: name,
    value,
    hasOperators,
    action: actionOf(option, path, findings),
    keepEmptyValue: option.keepEmptyValue,
  };
}

function actionOf(option: Option, path: string, findings: Findings): HeaderChange['action'] {
  if (option.append !== null) {
    if (option.appendAction !== 0)
      findings.problem(`${path}.append`, 'cannot be used together with append_action');
    return option.append.value ? 'append-if-exists-or-add' : 'overwrite-if-exists-or-add';
  }
  const action = ACTIONS[option.appendAction];
  if (action === undefined) findings.problem(`${path}.append_action`, `unknown value ${option.appendAction}`);
  return action ?? 'append-if-exists-or-add';
}

/** A problem for a template that does not compile, a warning for operators that say nothing here. */
export function checkTemplate(text: string, path: string, findings: Findings): void {
  const compiled = compileTemplate(text);
  if ('problem' in compiled) {
    findings.problem(path, compiled.problem);
    return;
  }
  for (const operator of compiled.template.operatorsWithoutData) {
    findings.warn(path, `%${operator}% has no value here`);
  }
}
