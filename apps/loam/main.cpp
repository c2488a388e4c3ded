#include "apps/loam/session.hpp"

int main(int argument_count, char** argument_values) { return loam::cli::run(argument_count, argument_values); }
