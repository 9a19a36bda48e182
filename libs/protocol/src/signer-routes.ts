import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';
import { deviceId } from './ids.js';
import {
  authorityExport,
  authorityExportResponse,
  authorityImport,
  authorityProof,
  authorityProofResponse,
  certificateDescription,
  certificateList,
  certificateQuery,
  enrolmentTokenList,
  enrolmentTokenQuery,
  enrolmentTokenRequest,
  enrolmentTokenResponse,
  hierarchyDescription,
  revocationRequest,
  rotationRequest,
  signingRequest,
  signingResponse,
  trustBundle,
} from './signer-admin.js';

const certificateName = { id: z.string().describe('Fingerprint or serial number.') };

/** The admin API of the signer. */
export const signerRoutes = {
  createEnrolmentToken: {
    method: 'POST',
    path: '/v1/enrollments',
    summary: 'Makes a one-time token; a newer one replaces the open one of the same name.',
    request: enrolmentTokenRequest,
    response: enrolmentTokenResponse,
    status: 201,
  },
  listEnrolmentTokens: {
    method: 'GET',
    path: '/v1/enrollments',
    summary: 'Lists one-time tokens by name, without their secrets.',
    query: enrolmentTokenQuery,
    response: enrolmentTokenList,
  },
  withdrawEnrolmentToken: {
    method: 'DELETE',
    path: '/v1/enrollments/:deviceId',
    summary: 'Withdraws a one-time token.',
    parameters: { deviceId },
  },
  listCertificates: {
    method: 'GET',
    path: '/v1/certificates',
    summary: 'Lists the certificates that were issued, by end date.',
    query: certificateQuery,
    response: certificateList,
  },
  showCertificate: {
    method: 'GET',
    path: '/v1/certificates/:id',
    summary: 'Shows one certificate.',
    parameters: certificateName,
    response: certificateDescription,
  },
  signRequest: {
    method: 'POST',
    path: '/v1/certificates',
    summary: 'Signs the CSR of an administrator or a service.',
    request: signingRequest,
    response: signingResponse,
    status: 201,
  },
  revokeCertificate: {
    method: 'POST',
    path: '/v1/certificates/:id/revoke',
    summary: 'Revokes one certificate.',
    parameters: certificateName,
    request: revocationRequest,
    response: certificateDescription,
  },
  showHierarchy: {
    method: 'GET',
    path: '/v1/ca',
    summary: 'Shows the CA hierarchy.',
    response: hierarchyDescription,
  },
  rotateAuthority: {
    method: 'POST',
    path: '/v1/ca/rotate',
    summary: 'Makes a new issuing CA, which signs after an overlap.',
    request: rotationRequest,
    response: hierarchyDescription,
  },
  importAuthority: {
    method: 'POST',
    path: '/v1/ca/import',
    summary: 'Lets an existing CA take over a purpose.',
    request: authorityImport,
    response: hierarchyDescription,
  },
  exportAuthority: {
    method: 'POST',
    path: '/v1/ca/export',
    summary: 'Exports the certificates of a CA, and with a passphrase its key.',
    request: authorityExport,
    response: authorityExportResponse,
  },
  proveAuthority: {
    method: 'POST',
    path: '/v1/ca/prove',
    summary: 'Signs a verification code with the key of a CA, to prove to a cloud that it is held here.',
    request: authorityProof,
    response: authorityProofResponse,
  },
  showTrustBundle: {
    method: 'GET',
    path: '/v1/trust-bundle',
    summary: 'Gives the CAs of this site, with an ETag that changes with the set.',
    response: trustBundle,
  },
} as const satisfies Record<string, AdminRoute>;
