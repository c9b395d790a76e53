import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verdictOf } from '../../../shared/tls/certificate-verdict.js';

test('codes about a certificate have a verdict, others have none', () => {
  const verdicts = {
    CERT_HAS_EXPIRED: 'expired',
    CERT_NOT_YET_VALID: 'not yet valid',
    UNABLE_TO_GET_ISSUER_CERT: 'unknown authority',
    CERT_UNTRUSTED: 'unknown authority',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'unknown authority',
    ERR_TLS_CERT_ALTNAME_INVALID: 'other name',
    ERR_TLS_CERT_ALTNAME_FORMAT: 'invalid',
    INVALID_PURPOSE: 'other purpose',
    CERT_REVOKED: 'invalid',
    CERT_CHAIN_TOO_LONG: 'invalid',
    UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: 'invalid',
    INVALID_CA: 'invalid',
    PATH_LENGTH_EXCEEDED: 'invalid',
  };
  for (const [code, verdict] of Object.entries(verdicts)) assert.equal(verdictOf(code), verdict, code);
  for (const code of ['', 'ECONNRESET', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', 'constructor'])
    assert.equal(verdictOf(code), undefined, code);
});
