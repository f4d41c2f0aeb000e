import type { PeerMetadataConfig } from '@heddle/engine';
import type { HttpObserver } from '../../filter.js';
import { PeerMetadataObserver } from './peer-metadata-observer.js';

/** Source: Istio's peer metadata filter, io.istio.http.peer_metadata.Config. */
export const peerMetadataFilter: HttpObserver = {
  name: 'istio.metadata_exchange',
  typeUrl: 'type.googleapis.com/io.istio.http.peer_metadata.Config',
  observe: (config, context) => new PeerMetadataObserver(config as PeerMetadataConfig, context),
};
