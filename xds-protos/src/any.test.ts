import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { envoy, google, messageType, packAny, typeUrls, unpackAny } from './index.js';
import { messageNames } from './descriptors.js';

const { Router } = envoy.extensions.filters.http.router.v3;

describe('Any', () => {
  it('gives back the message that was packed, typed or by its URL', () => {
    const any = packAny(Router, { suppressEnvoyHeaders: true });
    assert.equal(any.typeUrl, 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router');
    assert.equal(unpackAny(any, Router)?.suppressEnvoyHeaders, true);
    const message = unpackAny(google.protobuf.Any.create(any));
    assert.ok(message instanceof Router);
    assert.deepEqual(packAny(typeUrls.of(Router), message), any);
  });

  it('gives undefined for another type, an unknown one, and for nothing', () => {
    const any = packAny(Router, {});
    assert.equal(unpackAny(any, google.protobuf.Struct), undefined);
    assert.equal(unpackAny({ typeUrl: 'type.googleapis.com/a.B', value: new Uint8Array([1]) }), undefined);
    assert.equal(unpackAny({}), undefined);
    assert.equal(unpackAny(null, Router), undefined);
  });

  it('throws for malformed bytes and for packing a type that is not ours', () => {
    assert.throws(() => unpackAny({ typeUrl: typeUrls.of(Router), value: new Uint8Array([0xff]) }));
    assert.throws(() => packAny('type.googleapis.com/a.B', {}), TypeError);
  });
});

describe('messageType', () => {
  it('finds every message by its name', () => {
    const names = messageNames();
    assert.ok(names.length > 450);
    for (const name of names) assert.equal(messageType(`type.googleapis.com/${name}`)?.typeName, name);
  });

  it('gives undefined for anything else', () => {
    const others = [
      '',
      'envoy',
      'envoy.config',
      'constructor',
      '__proto__',
      'envoy.__proto__.constructor',
      'default',
    ];
    const { typeName } = envoy.config.core.v3.Node;
    others.push(
      `${typeName}.encode`,
      `${typeName}.prototype`,
      'envoy.config.core.v3.TrafficDirection',
      `${typeName}.`,
    );
    for (const name of others) assert.equal(messageType(name), undefined, name);
  });
});

describe('typeUrls', () => {
  it('are those of the messages they name', () => {
    const { config, extensions } = envoy;
    assert.equal(typeUrls.listener, typeUrls.of(config.listener.v3.Listener));
    assert.equal(typeUrls.routeConfiguration, typeUrls.of(config.route.v3.RouteConfiguration));
    assert.equal(typeUrls.scopedRouteConfiguration, typeUrls.of(config.route.v3.ScopedRouteConfiguration));
    assert.equal(typeUrls.virtualHost, typeUrls.of(config.route.v3.VirtualHost));
    assert.equal(typeUrls.cluster, typeUrls.of(config.cluster.v3.Cluster));
    assert.equal(typeUrls.clusterLoadAssignment, typeUrls.of(config.endpoint.v3.ClusterLoadAssignment));
    assert.equal(typeUrls.secret, typeUrls.of(extensions.transport_sockets.tls.v3.Secret));
    assert.equal(typeUrls.extensionConfig, typeUrls.of(config.core.v3.TypedExtensionConfig));
  });
});
