import { Module } from '@nestjs/common';
import { EntranceModule } from '@sallyport/entrance';
import { FileTransferEntrance } from './file-transfer-entrance.js';
import { LocalCertificates } from './local-certificates.js';

/** Wires the parts of the agent. */
@Module({ imports: [EntranceModule], providers: [FileTransferEntrance, LocalCertificates] })
export class AgentModule {}
