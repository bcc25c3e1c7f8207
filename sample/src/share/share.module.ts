import { Module } from '@nestjs/common';
import { PersistPgModule } from 'nestjs-persistpg';
import { CatalogModule } from '../catalog/catalog.module';
import { ShareLinks } from './share-link';
import { ShareController } from './share.controller';
import { ShareService } from './share.service';

@Module({
  imports: [CatalogModule, PersistPgModule.forFeature([ShareLinks])],
  controllers: [ShareController],
  providers: [ShareService],
})
export class ShareModule {}
