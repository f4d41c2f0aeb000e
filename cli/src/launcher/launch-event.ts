/** What happened, for the person at the terminal and for the demo. */
export type LaunchEvent =
  | {
      readonly kind: 'control-plane-ready';
      readonly xdsPort: number;
      readonly apiPort: number;
      readonly token: string;
    }
  /** `reason`: why it is not the transparent way. */
  | {
      readonly kind: 'interception';
      readonly way: 'transparent' | 'explicit';
      readonly how: string;
      readonly reason: string | undefined;
    }
  | {
      readonly kind: 'gateway-ready';
      readonly name: string;
      readonly ports: Readonly<Record<string, number>>;
    }
  | { readonly kind: 'gateway-port-added'; readonly name: string; readonly port: number }
  | { readonly kind: 'gateway-stopped'; readonly name: string }
  | { readonly kind: 'instance-starting'; readonly name: string }
  | { readonly kind: 'instance-ready'; readonly name: string; readonly adminPort: number }
  | { readonly kind: 'instance-stopped'; readonly name: string }
  | {
      readonly kind: 'crashed';
      readonly name: string;
      readonly how: string;
      readonly wasStarted: boolean;
      readonly restartInMs: number;
      readonly lastWords: readonly string[];
      readonly logFile: string;
    }
  | { readonly kind: 'not-ready'; readonly name: string; readonly what: string; readonly logFile: string }
  | { readonly kind: 'problem'; readonly text: string };
