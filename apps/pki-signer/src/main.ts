import { runService } from '@sallyport/runtime';
import { pkiSigner } from './service.js';

await runService(pkiSigner);
