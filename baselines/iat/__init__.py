"""IAT (Cai et al., ACM MM 2022): a variable-rate invertible codec."""
