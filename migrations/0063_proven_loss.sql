-- What shows that commits are lost, where something does: a failover or a move alone does not. While it is set, nobody can
-- say that nothing was lost.
ALTER TABLE recovery ADD COLUMN proven_loss text;
