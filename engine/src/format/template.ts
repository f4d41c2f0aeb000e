import type { StreamInfo } from '../http/stream-info.js';
import { compileOperator, type FormatContext, type OperatorReader } from './operators.js';

/** A text with command operators such as `%REQ(x-user)%`, ready to be filled in for a stream. */
export class Template {
  /** Literal texts and readers in turn; a literal may be empty. */
  readonly parts: readonly (string | OperatorReader)[];
  /** Operators that are understood but say nothing here. */
  readonly operatorsWithoutData: readonly string[];

  constructor(parts: readonly (string | OperatorReader)[], operatorsWithoutData: readonly string[]) {
    this.parts = parts;
    this.operatorsWithoutData = operatorsWithoutData;
  }

  /** The filled-in text; `missing` stands for what is not known (`-` in access logs, nothing in header values). */
  format(info: StreamInfo, missing = '-'): string {
    let text = '';
    for (const part of this.parts) {
      if (typeof part === 'string') text += part;
      else {
        const value = part(info);
        text += value === undefined ? missing : value;
      }
    }
    return text;
  }

  /** The reader when the template is one operator and nothing else: such a value keeps its type in a JSON log. */
  get single(): OperatorReader | undefined {
    const only = this.parts[0];
    return this.parts.length === 1 && typeof only === 'function' ? only : undefined;
  }
}

/** `%NAME%`, `%NAME(argument)%` and `%NAME(argument):12%`; the argument may hold `%`, as time formats do. */
const OPERATOR = /%(?:%|([A-Z0-9_]+)(?:\(((?:[^)]|\)(?!(?::\d+)?%))*)\))?(?::(\d+))?%)/y;

/**
 * Compiles a text with Envoy's command operators. `%%` is a percent sign.
 *
 * Source: Envoy, access log format strings; also used for header values.
 * Errors: a text that names the operator and what is wrong.
 */
export function compileTemplate(
  text: string,
  context: FormatContext = {},
): { readonly template: Template } | { readonly problem: string } {
  const parts: (string | OperatorReader)[] = [];
  const withoutData: string[] = [];
  let literal = '';
  let at = 0;
  while (at < text.length) {
    const percent = text.indexOf('%', at);
    if (percent === -1) break;
    literal += text.slice(at, percent);
    OPERATOR.lastIndex = percent;
    const found = OPERATOR.exec(text);
    if (found === null) {
      return { problem: `"${text.slice(percent, percent + 40)}" at offset ${percent} is not an operator` };
    }
    at = OPERATOR.lastIndex;
    const [, name, argument, length] = found;
    if (name === undefined) {
      literal += '%';
      continue;
    }
    const operator = compileOperator(
      name,
      argument,
      length === undefined ? undefined : Number(length),
      context,
    );
    if ('problem' in operator) return operator;
    if (!operator.hasData) withoutData.push(name);
    if (literal !== '') parts.push(literal);
    literal = '';
    parts.push(operator.read);
  }
  literal += text.slice(at);
  if (literal !== '') parts.push(literal);
  return { template: new Template(parts, withoutData) };
}
