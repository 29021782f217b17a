-- A call in doubt is sent again after two look-ups that found nothing. Those that could not say count among `lookups` alone.
ALTER TABLE effects ADD COLUMN not_found smallint NOT NULL DEFAULT 0;
