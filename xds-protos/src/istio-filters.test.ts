import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { envoy, fromJson, io, istio, stats, udpa, type ProtoProblem } from './index.js';

/** Written by hand from the field numbers of Istio's own protos: tag, length, value. */
const length = (bytes: readonly number[]): number[] => [bytes.length, ...bytes];
const text = (value: string): number[] => length([...Buffer.from(value)]);

describe("the messages of Istio's filters", () => {
  it('read what an Istio control plane writes for the peer metadata filter', () => {
    const headers = length([0x1a, ...length([])]);
    const skipping = length([0x0a, ...length([0x08, 1])]);
    const config = io.istio.http.peer_metadata.Config.decode(
      Buffer.from([
        0x0a,
        ...headers,
        0x12,
        ...headers,
        0x1a,
        ...length([0x0a, 0]),
        0x22,
        ...skipping,
        0x28,
        1,
      ]),
    );
    assert.equal(config.downstreamDiscovery[0]?.methodSpecifier, 'istioHeaders');
    assert.equal(config.upstreamDiscovery[0]?.methodSpecifier, 'istioHeaders');
    assert.equal(config.downstreamPropagation[0]?.istioHeaders?.skipExternalClusters, false);
    assert.equal(config.upstreamPropagation[0]?.istioHeaders?.skipExternalClusters, true);
    assert.equal(config.sharedWithUpstream, true);
  });

  it('read what it writes for the stats filter', () => {
    const dimension = length([0x0a, ...text('a'), 0x12, ...text('"b"')]);
    const metric = length([0x0a, ...dimension, 0x12, ...text('requests_total'), 0x1a, ...text('x'), 0x28, 1]);
    const config = stats.PluginConfig.decode(
      Buffer.from([
        0x30,
        1,
        0x3a,
        ...length([0x08, 5]),
        0x42,
        ...metric,
        0x50,
        1,
        0x5a,
        ...length([0x08, 9]),
      ]),
    );
    assert.equal(config.disableHostHeaderFallback, true);
    assert.equal(config.tcpReportingDuration?.seconds, 5);
    assert.equal(config.reporter, stats.Reporter.SERVER_GATEWAY);
    assert.equal(config.rotationInterval?.seconds, 9);
    const [first] = config.metrics;
    assert.deepEqual(
      [first?.name, first?.tagsToRemove, first?.dimensions['a'], first?.drop],
      ['requests_total', ['x'], '"b"', true],
    );
  });

  it('read what it writes for the ALPN and the TCP metadata exchange filters', () => {
    const override = length([0x08, 1, 0x12, ...text('istio-http/1.1')]);
    const alpn = istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig.decode(
      Buffer.from([0x0a, ...override]),
    );
    assert.deepEqual(alpn.alpnOverride[0]?.alpnOverride, ['istio-http/1.1']);
    const exchange = envoy.tcp.metadataexchange.config.MetadataExchange.decode(
      Buffer.from([0x0a, ...text('istio-peer-exchange'), 0x10, 1]),
    );
    assert.deepEqual([exchange.protocol, exchange.enableDiscovery], ['istio-peer-exchange', true]);
  });

  it('have type URLs by their own names, inside an Any as well', () => {
    const problems: ProtoProblem[] = [];
    const filter = fromJson(
      envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter,
      {
        name: 'istio.metadata_exchange',
        typed_config: {
          '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
          type_url: 'type.googleapis.com/io.istio.http.peer_metadata.Config',
          value: { upstream_discovery: [{ istio_headers: {} }] },
        },
      },
      problems,
    );
    assert.deepEqual(problems, []);
    assert.equal(filter?.typedConfig?.typeUrl, 'type.googleapis.com/udpa.type.v1.TypedStruct');
    const struct = udpa.type.v1.TypedStruct.decode(filter.typedConfig.value);
    assert.equal(struct.typeUrl, 'type.googleapis.com/io.istio.http.peer_metadata.Config');
  });
});
