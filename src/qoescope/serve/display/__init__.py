"""Display: values as text, colours, lines and figures; pure."""
