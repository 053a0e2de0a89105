"""What came back: reports of bounces and complaints, understood, counted, and what follows from them (mail:LM11-16)."""
