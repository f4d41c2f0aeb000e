import type { envoy } from '@heddle/xds-protos';
import type { DirectResponseAction, RedirectAction } from '../config/route-config.js';
import type { Findings } from './findings.js';
import { hasControls, translateSubstitution } from './matchers.js';

const REDIRECT_STATUS = [301, 302, 303, 307, 308] as const;

/** Source: envoy.config.route.v3.RedirectAction. */
export function translateRedirect(
  redirect: envoy.config.route.v3.RedirectAction,
  path: string,
  findings: Findings,
): RedirectAction {
  const texts = {
    host_redirect: redirect.hostRedirect,
    path_redirect: redirect.pathRedirect ?? '',
    prefix_rewrite: redirect.prefixRewrite ?? '',
    scheme_redirect: redirect.schemeRedirect ?? '',
  };
  for (const [field, value] of Object.entries(texts)) {
    if (hasControls(value)) findings.problem(`${path}.${field}`, 'must not hold CR, LF or NUL');
  }
  if (texts.scheme_redirect !== '' && !/^[A-Za-z][A-Za-z0-9+.-]*$/.test(texts.scheme_redirect)) {
    findings.problem(`${path}.scheme_redirect`, `${JSON.stringify(texts.scheme_redirect)} is not a scheme`);
  }
  if (redirect.portRedirect > 65_535) findings.problem(`${path}.port_redirect`, 'must be at most 65535');
  const status = REDIRECT_STATUS[redirect.responseCode];
  if (status === undefined)
    findings.problem(`${path}.response_code`, `unknown value ${redirect.responseCode}`);
  return {
    kind: 'redirect',
    httpsRedirect: redirect.httpsRedirect ?? false,
    schemeRedirect: texts.scheme_redirect,
    hostRedirect: redirect.hostRedirect,
    portRedirect: redirect.portRedirect,
    pathRedirect: texts.path_redirect,
    prefixRewrite: texts.prefix_rewrite,
    regexRewrite:
      redirect.regexRewrite === null
        ? undefined
        : translateSubstitution(redirect.regexRewrite, `${path}.regex_rewrite`, findings),
    status: status ?? 301,
    stripQuery: redirect.stripQuery,
  };
}

/** Source: envoy.config.route.v3.DirectResponseAction. `maxBodyBytes` is the table's bound. */
export function translateDirectResponse(
  response: envoy.config.route.v3.DirectResponseAction,
  maxBodyBytes: number,
  path: string,
  findings: Findings,
): DirectResponseAction {
  if (response.status < 200 || response.status > 599) {
    findings.problem(`${path}.status`, `must be in 200..599 (is ${response.status})`);
  }
  const body = inlineText(response.body, `${path}.body`, findings);
  const bytes = Buffer.byteLength(body);
  if (bytes > maxBodyBytes) {
    findings.problem(`${path}.body`, `is ${bytes} bytes long, at most ${maxBodyBytes} are accepted`);
  }
  return { kind: 'direct-response', status: response.status, body };
}

/** The text of a data source that is part of the resource; files and environment variables are not read here. */
export function inlineText(
  source: envoy.config.core.v3.DataSource | null,
  path: string,
  findings: Findings,
): string {
  if (source === null) return '';
  switch (source.specifier) {
    case 'inlineString':
      return source.inlineString ?? '';
    case 'inlineBytes':
      return Buffer.from(source.inlineBytes ?? new Uint8Array(0)).toString('utf8');
    case 'filename':
      findings.problem(`${path}.filename`, 'files are not read; give inline_string');
      return '';
    case 'environmentVariable':
      findings.problem(`${path}.environment_variable`, 'variables are not read; give inline_string');
      return '';
    case undefined:
      findings.problem(path, 'one of inline_string or inline_bytes must be set');
      return '';
  }
}
