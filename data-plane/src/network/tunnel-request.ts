import {
  applyHeaderChanges,
  compileHeaderChanges,
  compileTemplate,
  HeaderMap,
  type CompiledHeaderChanges,
  type FormatContext,
  type RequestHead,
  type StreamInfo,
  type Template,
  type TunnelingConfig,
} from '@heddle/engine';

/** What asks hosts for the tunnels of one TCP proxy. */
export class TunnelRequest {
  readonly #config: TunnelingConfig;
  readonly #hostname: Template | undefined;
  readonly #headers: readonly CompiledHeaderChanges[];

  constructor(config: TunnelingConfig, context: FormatContext) {
    this.#config = config;
    const compiled = compileTemplate(config.hostname, context);
    this.#hostname = 'template' in compiled ? compiled.template : undefined;
    this.#headers = config.headers.set.length === 0 ? [] : [compileHeaderChanges(config.headers, context)];
  }

  headFor(info: StreamInfo): RequestHead {
    const { hostname, postPath } = this.#config;
    const headers = new HeaderMap();
    applyHeaderChanges(this.#headers, headers, info);
    return {
      method: postPath === '' ? 'CONNECT' : 'POST',
      scheme: 'http',
      authority: this.#hostname?.format(info, '') ?? hostname,
      path: postPath,
      headers,
      version: 'HTTP/2',
      upgrade: '',
    };
  }
}
