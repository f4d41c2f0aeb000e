import type { ConfigSource } from '../config-source.js';
import type { XdsClient } from '../xds/xds-client.js';

/** Where configuration comes from: the client of the control plane, or in a worker the main thread that has it. */
export type ConfigurationClient = ConfigSource &
  Pick<
    XdsClient,
    | 'start'
    | 'watchSecret'
    | 'onReady'
    | 'state'
    | 'resources'
    | 'bytesOf'
    | 'holds'
    | 'reconnect'
    | 'keepLastGood'
    | 'close'
  >;
