import type { DerDocument } from './der/reader.js';

/** Names of what is parsed here, as they open an error, and the problem that error is. */
export const certificateDocument: DerDocument = { title: 'Certificate', problem: 'certificate-rejected' };
export const requestDocument: DerDocument = { title: 'CSR', problem: 'csr-rejected' };
export const crlDocument: DerDocument = { title: 'CRL', problem: 'certificate-rejected' };
export const certsOnlyDocument: DerDocument = { title: 'PKCS #7', problem: 'certificate-rejected' };
