import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { PersistPgModule } from 'nestjs-persistpg';
import { CatalogController } from './catalog.controller';
import { CatalogService } from './catalog.service';
import { Product } from './product.entity';

@Module({
  imports: [TypeOrmModule.forFeature([Product]), PersistPgModule.forFeature([{ namespace: 'views' }, { namespace: 'stock' }])],
  controllers: [CatalogController],
  providers: [CatalogService],
  exports: [CatalogService],
})
export class CatalogModule {}
