import { CLIENT_ID, SERVER_ID, certificateFiles } from '../load/bench-certificates.js';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';

/** Source: envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, mutual, as a sidecar's inbound listener has it. */
export function downstreamTls(certificates: string): object {
  return transportSocket(`${TLS}.DownstreamTlsContext`, {
    require_client_certificate: true,
    common_tls_context: commonContext(certificates, 'server', CLIENT_ID),
  });
}

/** `resumes` false asks for full handshakes only; else as many sessions are kept as are in use at once. */
export function upstreamTls(certificates: string, resumes = true): object {
  return transportSocket(`${TLS}.UpstreamTlsContext`, {
    sni: 'bench',
    max_session_keys: resumes ? 64 : 0,
    common_tls_context: commonContext(certificates, 'client', SERVER_ID),
  });
}

function commonContext(certificates: string, side: 'client' | 'server', peer: string): object {
  const files = certificateFiles(certificates, side);
  return {
    // Envoy's upstream contexts stop at 1.2 unless told otherwise.
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificates: [
      { certificate_chain: { filename: files.certificate }, private_key: { filename: files.key } },
    ],
    validation_context: {
      trusted_ca: { filename: files.root },
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: peer } }],
    },
  };
}

function transportSocket(type: string, config: object): object {
  return { name: 'envoy.transport_sockets.tls', typed_config: { '@type': type, ...config } };
}
