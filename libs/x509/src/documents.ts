import type { DerDocument } from './der/reader.js';

/** A certificate, in errors. */
export const certificateDocument: DerDocument = {
  title: 'Certificate',
  problem: 'certificate-rejected',
  redo: 'have its issuer make it again',
};
/** A certification request, in errors. */
export const requestDocument: DerDocument = { title: 'CSR', problem: 'csr-rejected', redo: 'make it again' };
/** A revocation list, in errors. */
export const crlDocument: DerDocument = {
  title: 'CRL',
  problem: 'certificate-rejected',
  redo: 'have its issuer make it again',
};
