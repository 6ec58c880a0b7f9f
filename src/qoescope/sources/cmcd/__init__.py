"""CMCD: what players say of themselves, on media requests or in reports of their own (CTA-5004, CTA-5004-B)."""
