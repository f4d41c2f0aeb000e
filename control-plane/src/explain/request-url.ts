/** A URL as a request line and a Host field carry it: nothing in its path is brought to another form. */
export interface RequestUrl {
  readonly scheme: 'http' | 'https';
  /** Lower case, without brackets. */
  readonly host: string;
  readonly port: number;
  /** What the Host field says. */
  readonly authority: string;
  /** With the query. */
  readonly path: string;
}

const URL_FORM =
  /^(?:(https?):\/\/)?((?:\[([0-9a-f:.]+)\]|([a-z0-9._~*-]+))(?::(\d{1,5}))?)((?:[/?][^#\s]*)?)(?:#\S*)?$/i;

/** Reads a URL; without a scheme it is http. undefined: it is none. */
export function parseRequestUrl(text: string): RequestUrl | undefined {
  const [, scheme = 'http', authority = '', ipv6, name, port, rest = ''] = URL_FORM.exec(text) ?? [];
  if (authority === '') return undefined;
  const isHttps = scheme.toLowerCase() === 'https';
  const number = port === undefined ? (isHttps ? 443 : 80) : Number(port);
  if (number < 1 || number > 65_535) return undefined;
  return {
    scheme: isHttps ? 'https' : 'http',
    host: (ipv6 ?? name ?? '').toLowerCase(),
    port: number,
    authority,
    path: rest.startsWith('/') ? rest : `/${rest}`,
  };
}
