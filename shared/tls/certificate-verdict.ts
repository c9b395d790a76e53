/** What Node and OpenSSL find wrong with a certificate of the other side, by the code of the error or of authorizationError: one list for gRPC, on either side, and NATS. */

export type CertificateVerdict =
  | 'expired'
  | 'not yet valid'
  /** not of an authority that is trusted */
  | 'unknown authority'
  /** for other names than the one that was dialled */
  | 'other name'
  /** its extended key usage says something else */
  | 'other purpose'
  | 'invalid';

const VERDICTS = new Map<string, CertificateVerdict>(
  Object.entries({
    CERT_HAS_EXPIRED: 'expired',
    CERT_NOT_YET_VALID: 'not yet valid',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown authority',
    UNABLE_TO_GET_ISSUER_CERT: 'unknown authority',
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown authority',
    SELF_SIGNED_CERT_IN_CHAIN: 'unknown authority',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'unknown authority',
    CERT_UNTRUSTED: 'unknown authority',
    CERT_SIGNATURE_FAILURE: 'unknown authority',
    ERR_TLS_CERT_ALTNAME_INVALID: 'other name',
    HOSTNAME_MISMATCH: 'other name',
    INVALID_PURPOSE: 'other purpose',
  }),
);
/** The rest of OpenSSL's: chains that are too long, revocation, signatures that cannot be read. */
const OTHERS = /^(CERT_|UNABLE_TO_|ERR_TLS_CERT_ALTNAME|CRL_|ERROR_IN_C|INVALID_CA$|PATH_LENGTH_EXCEEDED$)/;

/** Undefined for a failure that is not about a certificate. */
export function verdictOf(code: string): CertificateVerdict | undefined {
  return VERDICTS.get(code) ?? (OTHERS.test(code) ? 'invalid' : undefined);
}
