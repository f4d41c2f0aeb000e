import type { RoutingShape } from './routing-shape.js';

/** What a subject is started with. */
export interface SubjectSetup {
  readonly shape: RoutingShape;
  readonly listenPort: number;
  readonly adminPort: number;
  readonly backendPort: number;
  /** Configuration and logs; subjects take turns in it. */
  readonly folder: string;
  /** Of mutual TLS over HTTP: which side this proxy is. Absent: plain text on both sides. */
  readonly mtls?: { readonly side: 'client' | 'server'; readonly certificates: string };
  /** For a proxy that only shakes hands; then nothing of the shape counts. */
  readonly handshakes?: {
    readonly side: 'client' | 'server';
    readonly resumes: boolean;
    readonly certificates: string;
  };
  /** Bytes are relayed as they are, whatever they are; then nothing of the shape counts. */
  readonly tcp?: boolean;
  /** Retries, outlier detection, breakers and a rate limit are in force, and never needed. */
  readonly armed?: boolean;
  /** HTTP/2 is spoken to the backend. */
  readonly http2?: boolean;
  /** Arguments for the Node that runs a subject, if one does. */
  readonly nodeArguments: readonly string[];
}

export interface SubjectCommand {
  readonly command: readonly string[];
  /** File for standard output, for a proxy that writes its access log there. */
  readonly stdoutFile?: string;
}

/** One proxy in a comparison. */
export interface Subject {
  readonly name: string;
  readonly version: string;
  /** Writes the configuration and says how to start the proxy on it. */
  prepare(setup: SubjectSetup): SubjectCommand;
}

/** A subject, or why it takes no part. */
export type FoundSubject = Subject | { readonly name: string; readonly missing: string };

/** For the list of what was measured. */
export function threadsText(concurrency: number): string {
  return concurrency === 1 ? 'one thread serves' : `${concurrency} threads serve`;
}

export function isFound(found: FoundSubject): found is Subject {
  return !('missing' in found);
}
