/** What the ends of connections look like: handshakes that failed, and why, as a listener logs them. */
import { type AccessLine, readable } from './access-line.ts';
import { type DenialRule, fragmentsOf } from './evidence.ts';
import { peersRefused } from './peer.ts';

const tls = (pattern: RegExp) => (line: AccessLine) => pattern.test(line.tls_failure ?? '');

/** A handshake takes no longer; what breaks later was a connection in use. */
const longestHandshakeMs = 5000;

export const connectionRules: readonly DenialRule[] = [
  {
    rule: 'peer identity',
    fits: tls(/SAN_matcher/),
    judge: (evidence) => peersRefused(evidence),
  },
  {
    rule: 'certificate expired',
    fits: tls(/certificate_has_expired/),
    judge: ({ line }) => ({
      why: `the certificate of ${line.peer ?? 'the peer'} has expired`,
      mend: 'Renew it; swapping the `current` link of its certificate folder is enough, without a restart',
    }),
  },
  {
    rule: 'certificate not yet valid',
    fits: tls(/certificate_is_not_yet_valid/),
    judge: ({ line }) => ({
      why: `the certificate of ${line.peer ?? 'the peer'} is not valid yet`,
      mend: 'Compare the clocks of the two machines',
    }),
  },
  {
    rule: 'foreign authority',
    fits: tls(/unable_to_get_(local_)?issuer|self_signed|unable_to_verify/i),
    judge: ({ line }) => ({
      why: `the certificate of ${line.peer ?? 'the peer'} was not issued by an authority that this mesh trusts`,
      mend: "Have it issued by the mesh's own authority, or distribute the new authority in `current/trust.yaml` first",
    }),
  },
  {
    rule: 'no certificate',
    fits: tls(/PEER_DID_NOT_RETURN_A_CERTIFICATE/),
    judge: () => ({
      why: 'the client sent no certificate, and nobody is anonymous inside of the mesh',
      mend: 'Call through a sidecar of your own, or from outside through the edge',
    }),
  },
  {
    rule: 'plaintext',
    fits: tls(/HTTP_REQUEST|HTTPS_PROXY_REQUEST|WRONG_VERSION_NUMBER|UNEXPECTED_MESSAGE/),
    judge: () => ({
      why: 'the client spoke plain HTTP where mutual TLS is spoken',
      mend: 'Call through a sidecar of your own, or from outside through the edge',
    }),
  },
  {
    rule: 'refused by the peer',
    fits: tls(/ALERT/),
    judge: ({ line }) => ({
      why: `${line.peer ?? 'the other end'} refused the certificate that it was shown: ${readable(line.tls_failure)}`,
      mend: 'Look at the certificate of the workload that wrote this line: its dates, its authority and its SPIFFE id',
    }),
  },
  {
    rule: 'not denied',
    fits: ({ tls_failure: failure, duration_ms: duration = 0 }) =>
      failure === undefined || duration > longestHandshakeMs,
    judge: ({ line }) => ({
      denied: false,
      why: `a connection of ${line.peer ?? 'a client'} that ended; nothing was refused`,
      mend: 'Look at the lines of requests',
    }),
  },
  {
    rule: 'handshake',
    fits: () => true,
    judge: (evidence) => ({
      why: `the handshake failed: ${readable(evidence.line.tls_failure)}`,
      mend: 'Compare what both ends speak: TLS 1.3 with h2, and certificates of the same authority',
      fragments: peersFragments(evidence.workload, evidence.bootstraps),
    }),
  },
];

const peersFragments = (workload: string | undefined, bootstraps: Parameters<DenialRule['judge']>[0]['bootstraps']) =>
  workload === undefined ? [] : fragmentsOf(() => bootstraps.peersOfListener(workload));
