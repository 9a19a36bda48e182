import { Body, Controller, Param, Query } from '@nestjs/common';
import { Actor } from '@sallyport/entrance';
import {
  type CertificateDescription,
  type CertificateList,
  certificateQuery,
  revocationRequest,
  type SigningResponse,
  signerRoutes,
  signingRequest,
} from '@sallyport/protocol';
import { Clock, Serves } from '@sallyport/runtime';
import { AdminSigning } from '../issuance/admin-signing.js';
import { describeRecord } from './certificate-record.js';
import { Inventory } from './inventory.js';
import { Revocation } from './revocation.js';

/** The certificates the signer issued, and those an administrator has signed. */
@Controller()
export class InventoryController {
  constructor(
    private readonly inventory: Inventory,
    private readonly revocation: Revocation,
    private readonly signing: AdminSigning,
    private readonly clock: Clock,
  ) {}

  @Serves(signerRoutes.listCertificates)
  async list(@Query() query: unknown): Promise<CertificateList> {
    const { records, cursor } = await this.inventory.list(certificateQuery.parse(query));
    const certificates = records.map((record) => describeRecord(record, this.clock.now()));
    return cursor === undefined ? { certificates } : { certificates, cursor };
  }

  /** @param id fingerprint or serial number */
  @Serves(signerRoutes.showCertificate)
  async get(@Param('id') id: string): Promise<CertificateDescription> {
    return describeRecord((await this.inventory.find(id)).record, this.clock.now());
  }

  @Serves(signerRoutes.signRequest)
  sign(@Body() body: unknown, @Actor() actor: string): Promise<SigningResponse> {
    return this.signing.sign(signingRequest.parse(body), actor);
  }

  /** @param id fingerprint or serial number */
  @Serves(signerRoutes.revokeCertificate)
  async revoke(
    @Param('id') id: string,
    @Body() body: unknown,
    @Actor() actor: string,
  ): Promise<CertificateDescription> {
    const { reason } = revocationRequest.parse(body ?? {});
    return describeRecord(await this.revocation.revoke(id, reason, actor), this.clock.now());
  }
}
